package store

import (
	"context"
	"encoding/json"
)

// RequestsBehind lists, by assignment, the requests of the grants that are reasons for
// it: the open ones, or else of the one that ended last.
func (tx *Tx) RequestsBehind(ctx context.Context, assignments []string) (map[string][]string, error) {
	open, last := map[string][]string{}, map[string][]string{}
	for batch := range chunks(assignments) {
		marks, args := in(batch)
		_, err := all(ctx, tx, func(s scanner) (none struct{}, err error) {
			var assignment, request string
			var ended bool
			if err = s.Scan(&assignment, &request, &ended); err == nil && ended {
				last[assignment] = []string{request}
			} else if err == nil {
				open[assignment] = append(open[assignment], request)
			}
			return none, err
		}, `select assignment, request, state = 'ended' from grants where assignment in (`+marks+`) order by ended_at, id`, args...)
		if err != nil {
			return nil, err
		}
	}
	for assignment, requests := range last {
		if len(open[assignment]) == 0 {
			open[assignment] = requests
		}
	}
	return open, nil
}

// RequestsOfGrants lists, by grant, the request it is of.
func (tx *Tx) RequestsOfGrants(ctx context.Context, grants []string) (map[string]string, error) {
	of := map[string]string{}
	for batch := range chunks(grants) {
		marks, args := in(batch)
		_, err := all(ctx, tx, func(s scanner) (none struct{}, err error) {
			var grant, request string
			err = s.Scan(&grant, &request)
			of[grant] = request
			return none, err
		}, `select id, request from grants where id in (`+marks+`)`, args...)
		if err != nil {
			return nil, err
		}
	}
	return of, nil
}

// TraceOf reads which trace a request's first event says its life is of; empty if it says none.
func (tx *Tx) TraceOf(ctx context.Context, request string) (string, error) {
	list, err := tx.EventsOf(ctx, request, "request.submitted")
	if err != nil || len(list) == 0 {
		return "", err
	}
	var said struct {
		Trace string `json:"trace"`
	}
	_ = json.Unmarshal(list[0].Body, &said) // erased, or not as it was written: it has a trace by its id all the same
	return said.Trace, nil
}
