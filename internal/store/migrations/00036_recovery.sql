-- +goose Up
-- A database that was put back, and how people take it from there: one open at most.
-- And what was found held that the backup did not know, with its end.
create table recovery (
    id      text   primary key,
    one     bigint not null check (one = 1),
    at      bigint not null,
    left_at bigint,
    doc     text   not null
);
create unique index recovery_open on recovery (one) where left_at is null;
create table held_over (
    system      text not null,
    account     text not null,
    object      text not null,
    entitlement text not null,
    end_at      bigint not null,
    done_at     bigint,
    primary key (system, account, object)
);
create index held_over_end on held_over (end_at) where done_at is null;

-- +goose Down
drop table held_over;
drop table recovery;
