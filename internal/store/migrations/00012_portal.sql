-- +goose Up
-- When somebody first laid open a revision of a request that they may answer: how
-- long they looked before they did.
create table opened (
    request  text   not null references request (id),
    revision bigint not null,
    person   text   not null,
    at       bigint not null,
    primary key (request, revision, person)
);

-- What ended lately, what should have, and what is being removed: figures and the
-- page of operations read these, and not every grant there ever was.
create index grants_ended on grants (ended_at) where ended_at is not null;
create index grants_due on grants (end_at) where state <> 'ended';
create index assignment_removing on assignment (since) where state = 'removing';
-- The votes of a request, withdrawn ones too.
create index approval_request on approval (request);

-- +goose Down
drop index approval_request;
drop index assignment_removing;
drop index grants_due;
drop index grants_ended;
drop table opened;
