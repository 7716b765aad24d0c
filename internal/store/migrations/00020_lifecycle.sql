-- +goose Up
-- What somebody's leaving forces others to decide, who has left and how far what
-- follows from it is done, and in which place of the directory everybody's open
-- grants were last decided: whoever has moved since is asked about anew.
create table handover (
    id         text primary key,
    subject    text   not null,
    giver      text   not null,
    state      text   not null,
    proposed   text   not null,
    why        text   not null,
    taker      text   not null,
    at         bigint not null,
    due_at     bigint not null,
    loud       bigint not null,
    next_at    bigint,
    decided_at bigint,
    decided_by text   not null,
    note       text   not null,
    refused    text   not null
);
create unique index handover_undecided on handover (subject) where decided_at is null;
create index handover_next on handover (next_at) where next_at is not null;
create index handover_giver on handover (giver, id);
create index handover_taker on handover (taker, state, id);
create index handover_proposed on handover (proposed, state, id);

create table departure (
    person  text primary key,
    at      bigint not null,
    said_by text   not null,
    reason  text   not null,
    done_at bigint,
    back_at bigint
);
create index departure_undone on departure (person) where done_at is null and back_at is null;

create table place (
    identity text primary key,
    doc      text not null
);

create index approval_person on approval (person) where withdrawn_at is null;

-- +goose Down
drop index approval_person;
drop table place;
drop table departure;
drop table handover;
