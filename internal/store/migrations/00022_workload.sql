-- +goose Up
-- Workloads that somebody proposes to write down; whose they would be decides. And
-- accounts that are, or seem to be, no person's, as readings saw them: a reading
-- writes them anew, and no event tells of them.
create table registration (
    id         text primary key,
    identity   text   not null,
    owner      text   not null,
    doc        text   not null,
    decided_at bigint
);
create index registration_identity on registration (identity) where decided_at is null;
create index registration_owner on registration (owner) where decided_at is null;
create table machine_account (
    system   text not null,
    name     text not null,
    used_at  bigint,
    doc      text not null,
    seen_at  bigint not null,
    primary key (system, name)
);
create index credential_account on credential (system, account) where gone_at is null;
create index credential_print on credential (print) where gone_at is null and print <> '';

-- +goose Down
drop index credential_print;
drop index credential_account;
drop table machine_account;
drop table registration;
