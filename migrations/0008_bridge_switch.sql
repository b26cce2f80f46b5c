-- Why: `/configAuth` of the Bridge API switches `/auth` on and off, and a bridge
-- keeps that over a restart: what an owner has switched off must not be on again
-- after a power cut. One row; off until somebody says otherwise.

create table bridge_switch (
    id           integer primary key check (id = 1),
    auth_enabled integer not null check (auth_enabled in (0, 1))
) strict;

insert into bridge_switch (id, auth_enabled) values (1, 0);
