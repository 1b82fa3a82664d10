package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The contrasts that WCAG 2.2 asks for: 1.4.3 of text, 1.4.11 of signs.
const textContrast, signContrast = 4.5, 3.0

// TestTextAndSignsStandOutInBothThemes reads the colours of the style sheet and
// compares those that are seen on each other.
func TestTextAndSignsStandOutInBothThemes(t *testing.T) {
	sheet, err := embedded.ReadFile("page/base.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(sheet), `:root[data-theme="dark"]`)
	if !found {
		t.Fatal("the style sheet has no dark theme")
	}
	dark, _, _ = strings.Cut(dark, "}")
	for theme, text := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, x := range []struct {
			least        float64
			over, ground string
		}{
			{textContrast, "text soft faint good bad warn accent", "page surface raised sunken"},
			{textContrast, "text soft faint", "accent-soft"},
			{textContrast, "text bad", "bad-soft"},
			{textContrast, "on-accent", "accent"},
			{textContrast, "text", "active"}, // the label of a port
			{textContrast, "surface", "bad"},
			{signContrast, "wait good bad warn accent", "page surface raised sunken"},
		} {
			for _, over := range strings.Fields(x.over) {
				for _, ground := range strings.Fields(x.ground) {
					a, b := colours[over], colours[ground]
					if a == 0 || b == 0 {
						t.Fatalf("%s: no colour %s or %s", theme, over, ground)
					}
					if c := (max(a, b) + 0.05) / (min(a, b) + 0.05); c < x.least {
						t.Errorf("%s: %s on %s has a contrast of %.2f, less than %.1f", theme, over, ground, c, x.least)
					}
				}
			}
		}
	}
}

// luminance is the relative luminance of an sRGB colour, as WCAG defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift uint) float64 {
		v := float64(n>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}
