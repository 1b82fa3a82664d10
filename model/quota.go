package model

import "time"

// Quota is a project's own limits, where they differ from the defaults.
type Quota struct {
	ProjectID string `json:"project_id"`
	// Limits is resource → how many the project may have; -1 is no limit.
	Limits    map[string]int `json:"limits"`
	UpdatedAt time.Time      `json:"updated_at"`
}
