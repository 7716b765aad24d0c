-- +goose Up
-- What has been gone for long is taken out, those first that have been longest.
create index credential_gone on credential (gone_at, id) where gone_at is not null;

-- +goose Down
drop index credential_gone;
