-- +goose Up
-- By whom somebody with a session was signed in, so that it can end there too, and
-- until when they are known as strongly as they showed.
alter table session add column provider text not null default '';
alter table session add column subject text not null default '';
alter table session add column sid text not null default '';
alter table session add column strong_until bigint;
create index session_provider on session (provider, subject);

-- What a provider has said once of sessions that ended, while it could be said again.
create table logout_said (
  provider text not null,
  id text not null,
  until_at bigint not null,
  primary key (provider, id)
);

-- Programs that wait for somebody to let them act in their name: the hashes of what
-- the program keeps and of what the person types. Without an identity nobody has.
create table login (
  hash text primary key,
  code text not null unique,
  program text not null,
  asked_at bigint not null,
  polled_at bigint not null,
  end_at bigint not null,
  identity text not null default '',
  provider text not null default '',
  subject text not null default '',
  sid text not null default '',
  refused bigint not null default 0
);
create index login_end on login (end_at);

-- Tokens that people let programs have: hashes, never themselves.
create table person_token (
  hash text primary key,
  id text not null unique,
  identity text not null,
  program text not null,
  provider text not null,
  subject text not null,
  sid text not null,
  began_at bigint not null,
  end_at bigint not null
);
create index person_token_identity on person_token (identity);
create index person_token_provider on person_token (provider, subject);
create index person_token_end on person_token (end_at);

-- +goose Down
drop table person_token;
drop table login;
drop table logout_said;
drop index session_provider;
alter table session drop column provider;
alter table session drop column subject;
alter table session drop column sid;
alter table session drop column strong_until;
