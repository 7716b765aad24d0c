-- +goose Up
-- What a look saw of sessions that outlive a removal.
alter table receipt add column sessions bigint not null default 0;
alter table receipt add column until_at bigint;

-- +goose Down
alter table receipt drop column until_at;
alter table receipt drop column sessions;
