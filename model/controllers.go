package model

import "time"

// Controller is a running controller as it introduces itself to the others. One
// that ends in good order takes its record away.
type Controller struct {
	// Name is the controller's, which no other one has.
	Name string `json:"name"`
	// Instance tells the runs of a controller apart.
	Instance  string    `json:"instance"`
	Version   string    `json:"version"`
	API       string    `json:"api"` // address and port that it serves
	RPC       string    `json:"rpc"`
	StartedAt time.Time `json:"started_at"`
	// Beat grows while the controller lives. Others tell by their own clock how
	// long it has not.
	Beat int64 `json:"beat"`
}
