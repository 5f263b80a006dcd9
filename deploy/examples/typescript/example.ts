// Lists projects, registers one so that a retry is safe, reads it, and tells a refusal by its reason.

import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/gevinst.js";

type Failure = components["schemas"]["Error"];

const gevinst = createClient<paths>({
  baseUrl: process.env["GEVINST_URL"] ?? "http://127.0.0.1:8080",
  headers: { authorization: `Bearer ${process.env["GEVINST_TOKEN"]}` },
});

/** Why a call failed: programs decide by this, people read the message. */
const reason = (failure: Failure) => failure.details.find((detail) => detail.reason)?.reason ?? failure.status;

/** What was answered; an exception where the call failed. */
function answered<T>({ data, error }: { data?: T; error?: Failure }): T {
  if (data === undefined) throw new Error(error ? `${reason(error)}: ${error.message}` : "no answer");
  return data;
}

const { organisations } = answered(await gevinst.GET("/v1/organisations"));
const organisation = organisations?.[0]?.id;
if (!organisation) throw new Error("the token gives access to no organisation");

const path = { organisation };
const { projects = [] } = answered(
  await gevinst.GET("/v1/organisations/{organisation}/projects", {
    params: { path, query: { filter: "stage = IDEA", pageSize: 5 } },
  }),
);
for (const project of projects) console.log(`${project.number} ${project.title}`);

const { orgUnits = [] } = answered(
  await gevinst.GET("/v1/organisations/{organisation}/org-units", { params: { path } }),
);
const unit = orgUnits[0];
if (!unit) throw new Error("there is no unit to register a project for");

// Retried with the same key, a registration is made once: choose the key before the first attempt, and keep it.
const key = randomUUID();
const register = (title: string) =>
  gevinst.POST("/v1/organisations/{organisation}/projects", {
    params: { path, header: { "Idempotency-Key": key } },
    body: {
      title,
      vision: "Ét sted at spørge.",
      orgUnit: unit.id,
      projectOwner: "chef-borgerservice",
      projectManager: "projektleder-p01",
      projectClass: "PROJECT_CLASS_SELF_SERVICE",
    },
  });

const { project } = answered(await register("Færre breve på papir"));
const { project: again } = answered(await register("Færre breve på papir"));
console.log(`registered ${project.number} once: ${project.id === again.id}`);

const { project: read } = answered(
  await gevinst.GET("/v1/organisations/{organisation}/projects/{project}", {
    params: { path: { organisation, project: project.id } },
  }),
);
console.log(`${read.number} is in ${read.stage}`);

const { error } = await register("Noget andet");
if (error && reason(error) === "IDEMPOTENCY_KEY_REUSED") console.log("refused: the key belongs to another request");
else throw new Error("another request under the same key was not refused");
