-- +goose Up
-- Whether the last look at it was not answered: what waits for that reason alone is due
-- once its target answers again.
alter table assignment add column blind boolean not null default false;

-- +goose Down
alter table assignment drop column blind;
