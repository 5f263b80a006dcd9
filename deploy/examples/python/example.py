"""Lists projects, registers one so that a retry is safe, reads it, and tells a refusal by its reason."""

import os
import uuid

from gevinst_client import AuthenticatedClient
from gevinst_client.api.organisation_service import list_org_units, list_organisations
from gevinst_client.api.project_service import get_project, list_projects, register_project
from gevinst_client.models import Error, ProjectClass, RegisterProjectBody

gevinst = AuthenticatedClient(
    base_url=os.environ.get("GEVINST_URL", "http://127.0.0.1:8080"), token=os.environ["GEVINST_TOKEN"]
)


def reason(error):
    """Why a call failed: programs decide by this, people read the message."""
    return next((detail.reason for detail in error.details if detail.reason), error.status)


def answered(answer):
    """What was answered; an exception where the call failed."""
    if answer is None:
        raise RuntimeError("no answer")
    if isinstance(answer, Error):
        raise RuntimeError(f"{reason(answer)}: {answer.message}")
    return answer


organisations = answered(list_organisations.sync(client=gevinst)).organisations
organisation = organisations[0].id

listed = answered(list_projects.sync(organisation, client=gevinst, filter_="stage = IDEA", page_size=5))
for project in listed.projects or []:
    print(project.number, project.title)

unit = answered(list_org_units.sync(organisation, client=gevinst)).org_units[0]

# Retried with the same key, a registration is made once: choose the key before the first attempt, and keep it.
key = str(uuid.uuid4())


def register(title):
    body = RegisterProjectBody(
        title=title,
        vision="Ét sted at spørge.",
        org_unit=unit.id,
        project_owner="chef-borgerservice",
        project_manager="projektleder-p01",
        project_class=ProjectClass.PROJECT_CLASS_SELF_SERVICE,
    )
    return register_project.sync(organisation, client=gevinst, body=body, idempotency_key=key)


project = answered(register("Færre breve på papir")).project
again = answered(register("Færre breve på papir")).project
print(f"registered {project.number} once: {str(project.id == again.id).lower()}")

read = answered(get_project.sync(organisation, project.id, client=gevinst)).project
print(f"{read.number} is in {read.stage}")

refused = register("Noget andet")
if isinstance(refused, Error) and reason(refused) == "IDEMPOTENCY_KEY_REUSED":
    print("refused: the key belongs to another request")
else:
    raise RuntimeError("another request under the same key was not refused")
