package controller

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/identity"
)

func TestThePageIsServedUnlessTheConfigurationSaysNo(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for page, want := range map[bool]int{true: http.StatusOK, false: http.StatusTeapot} {
		cfg := config.Default()
		cfg.API.Page = page
		h, err := withPage(cfg, identity.None{}, api, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest("GET", "/ui/", nil)); w.Code != want {
			t.Errorf("page %t: %d, want %d", page, w.Code, want)
		}
	}
}
