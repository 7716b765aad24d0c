-- +goose Up
-- Who else wrote or changed what a request asks; when a ticket was last looked at
-- by rote, and which replica may write in it until when.
alter table request add column makers text not null default 'null';
alter table ticket add column looked_at bigint;
alter table ticket add column speaker text not null default '';
alter table ticket add column speaks_until bigint;

-- +goose Down
alter table ticket drop column speaks_until;
alter table ticket drop column speaker;
alter table ticket drop column looked_at;
alter table request drop column makers;
