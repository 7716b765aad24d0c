-- +goose Up
-- What lets bearers in at systems, as readings have seen it. What it is worth stands
-- nowhere. One that is gone stays: one made anew under its name is another row.
create table credential (
    id          text primary key,
    system      text    not null,
    native      text    not null,
    kind        text    not null,
    account     text    not null,
    objects     text    not null,
    name        text    not null,
    print       text    not null,
    issued_at   bigint,
    used_at     bigint,
    end_at      bigint,
    end_unknown boolean not null,
    found_at    bigint  not null,
    seen_at     bigint  not null,
    gone_at     bigint,
    under       text    not null,
    let_be      text    not null
);
create unique index credential_there on credential (system, native) where gone_at is null;

-- +goose Down
drop table credential;
