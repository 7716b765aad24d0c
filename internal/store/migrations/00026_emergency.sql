-- +goose Up
-- Every use of break-glass, and what its review came to.
create table emergency (
    id          text primary key,
    grant_id    text   not null unique references grants (id),
    request     text   not null,
    identity    text   not null,
    person      text   not null,
    entitlement text   not null,
    incident    text   not null,
    reason      text   not null,
    at          bigint not null,
    told        text   not null,
    review_by   bigint not null check (review_by > at),
    reviewed_at bigint,
    reviewed_by text   not null check (reviewed_by <> person),
    verdict     text   not null,
    body        text   not null,
    check ((reviewed_at is null) = (verdict = ''))
);
create index emergency_person on emergency (person, at);
create index emergency_open on emergency (person, review_by) where reviewed_at is null;

-- +goose Down
drop table emergency;
