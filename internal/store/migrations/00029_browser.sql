-- +goose Up
-- What kind of browser somebody signed in with, so that they know theirs in a list.
alter table session add column browser text not null default '';

-- +goose Down
alter table session drop column browser;
