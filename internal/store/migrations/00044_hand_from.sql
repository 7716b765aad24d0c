-- +goose Up
-- From whom something changed hands: whom the files named then. Once they name somebody
-- else, the files count again. Empty: from before that was noted, or a word of another kind.
alter table hand add column giver text not null default '';

-- +goose Down
alter table hand drop column giver;
