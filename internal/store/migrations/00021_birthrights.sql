-- +goose Up
-- What was asked for whom by a birthright rule: each once. It is how far the engine has
-- come with its rules; what came of it stands at the request and the grant.
create table birthright (
    rule        text   not null,
    identity    text   not null,
    entitlement text   not null,
    request     text   not null,
    asked       text   not null,
    renew_at    bigint,
    primary key (identity, rule, entitlement)
);

-- +goose Down
drop table birthright;
