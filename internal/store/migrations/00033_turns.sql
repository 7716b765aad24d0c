-- +goose Up
-- Due work is claimed state by state, what may have to be removed first: each claim
-- reads as many rows as it takes, however many are due.
create index assignment_turn on assignment (system, state, due_at, object, id) where due_at is not null;
drop index assignment_due;

-- +goose Down
create index assignment_due on assignment (system, due_at) where due_at is not null;
drop index assignment_turn;
