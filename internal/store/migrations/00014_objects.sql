-- +goose Up
-- A part of a system is read when its target says that it changed: what we know of
-- those objects is found without reading all that we know of the system.
create index assignment_object on assignment (system, object);

-- +goose Down
drop index assignment_object;
