// A SCIM service provider made of scimmy and scimmy-routers: protocol, schemas,
// filters and PATCH are theirs, the storage is ours and keeps everything in
// memory. It behaves as many products do: it keeps no referential integrity (a
// deleted user stays in the groups), its users show no groups attribute, and
// between reading and storing a group it lets other requests run.
//
// GET /store is not SCIM: it shows the storage itself, so that tests need not
// believe the engine about itself.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const token = process.env.SCIM_TOKEN;
const users = new Map(), groups = new Map();

const missing = (id) => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
const plain = (resource) => JSON.parse(JSON.stringify(resource));

// What a group says of a member is what the store knows, now and after the member is gone.
const member = ({ value, display }) => ({
    value, type: groups.has(value) ? "Group" : "User",
    display: users.get(value)?.userName ?? groups.get(value)?.displayName ?? display,
});

function serve(Resource, store, check) {
    Resource.egress(async (resource) => {
        await setImmediate();
        if (resource.id) {
            if (!store.has(resource.id)) throw missing(resource.id);
            return plain(store.get(resource.id));
        }
        const all = [...store.values()];
        return plain(resource.filter ? resource.filter.match(all) : all); // the library only parses filters
    });
    Resource.ingress(async (resource, given) => {
        await setImmediate();
        if (resource.id && !store.has(resource.id)) throw missing(resource.id);
        const id = resource.id ?? randomUUID();
        store.set(id, { ...check(plain(given), id), id });
        return plain(store.get(id));
    });
    Resource.degress((resource) => {
        if (!store.delete(resource.id)) throw missing(resource.id);
    });
    SCIMMY.Resources.declare(Resource);
}

const names = new Map(); // userName in small letters -> id
serve(SCIMMY.Resources.User, users, (user, id) => {
    const name = user.userName.toLowerCase(), bearer = names.get(name);
    if (bearer && bearer !== id && users.has(bearer)) throw new SCIMMY.Types.Error(409, "uniqueness", "userName is taken");
    names.set(name, id);
    return user;
});
serve(SCIMMY.Resources.Group, groups, (group) => {
    for (const { value } of group.members ?? []) {
        if (typeof value !== "string") throw new SCIMMY.Types.Error(400, "invalidValue", "a member needs a value");
    }
    return { ...group, members: (group.members ?? []).map(member) };
});

const app = express();
const authorized = (req) => {
    if (req.get("Authorization") !== `Bearer ${token}`) throw new Error("no valid token");
};
app.get("/store", (req, res) => {
    authorized(req);
    res.send({ users: [...users.values()], groups: [...groups.values()] });
});
app.use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: authorized }));
createServer({ keepAliveTimeout: 60_000 }, app).listen(Number(process.env.SCIM_PORT), "127.0.0.1");
