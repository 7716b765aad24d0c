-- +goose Up
-- Who may answer for whom, and on whose behalf a vote was cast. What is over stays.
create table delegation (
    id          text primary key,
    giver       text   not null,
    taker       text   not null,
    system      text   not null,
    entitlement text   not null,
    start_at    bigint not null,
    end_at      bigint not null check (end_at > start_at),
    reason      text   not null,
    at          bigint not null,
    ended_at    bigint,
    ended_by    text   not null,
    ended_why   text   not null
);
create index delegation_open on delegation (end_at) where ended_at is null;
create index delegation_giver on delegation (giver);
create index delegation_taker on delegation (taker);
create table absence (
    id        text primary key,
    person    text   not null,
    from_at   bigint not null,
    until_at  bigint not null check (until_at > from_at),
    reason    text   not null,
    said_by   text   not null,
    at        bigint not null,
    ended_at  bigint,
    ended_by  text   not null,
    ended_why text   not null
);
create index absence_open on absence (until_at) where ended_at is null;
create index absence_person on absence (person);
alter table approval add column behalf text not null default '{}';

-- +goose Down
alter table approval drop column behalf;
drop table absence;
drop table delegation;
