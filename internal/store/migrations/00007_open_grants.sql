-- +goose Up
-- What stands on tickets that are looked at by rote is found by what is open, not
-- by reading every grant there ever was.
create index grants_open on grants (request) where state <> 'ended';

-- +goose Down
drop index grants_open;
