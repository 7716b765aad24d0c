-- +goose Up
-- Who holds something is found by grants_holders; there were two of it.
drop index grants_holder_open;

-- +goose Down
create index grants_holder_open on grants (entitlement, identity) where state <> 'ended';
