"""What `jobkit new-app` gives for Azure and for GitHub: the Bicep file and the workflow, read by parsers of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pycep import BicepParser

from jobkit.runtime.settings import hub_name
from jobkit.runtime.storage.azure_account import Account, find_account
from jobkit.scaffold.app import make_app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app whose name is none that Azure takes as it stands."""
    folder = tmp_path_factory.mktemp("made") / "My_ETL"
    make_app(folder)
    return folder


@pytest.fixture(scope="module")
def bicep(app: Path) -> Any:
    return BicepParser().parse(file_path=app / "infra" / "main.bicep")


def path_of(value: Any) -> str:
    """Write `a.b.c`, which the parser gives as nested accessors; a text as it is."""
    if isinstance(value, str):
        return value
    operands = value["operator"]["operands"]
    return f"{path_of(operands['operand_1'])}.{path_of(operands['operand_2'])}"


def test_these_resources_are_made(bicep: Any):
    made = {name: f"{resource['type']}@{resource['api_version']}" for name, resource in bicep["resources"].items()}

    # each was checked against Azure's own schema of this version
    assert made == {
        "identity": "Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31",
        "storage": "Microsoft.Storage/storageAccounts@2023-05-01",
        "storage__blobs": "Microsoft.Storage/storageAccounts/blobServices@2023-05-01",
        "storage__blobs__deployments": "Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01",
        "blobRole": "Microsoft.Authorization/roleAssignments@2022-04-01",
        "queueRole": "Microsoft.Authorization/roleAssignments@2022-04-01",
        "tableRole": "Microsoft.Authorization/roleAssignments@2022-04-01",
        "logsRole": "Microsoft.Authorization/roleAssignments@2022-04-01",
        "logs": "Microsoft.OperationalInsights/workspaces@2023-09-01",
        "insights": "Microsoft.Insights/components@2020-02-02",
        "plan": "Microsoft.Web/serverfarms@2024-04-01",
        "app": "Microsoft.Web/sites@2024-04-01",
    }


def test_the_identity_has_four_roles_each_on_one_resource_and_the_app_waits_for_them(bicep: Any):
    assignments = {n: r["config"] for n, r in bicep["resources"].items() if r["type"].endswith("/roleAssignments")}

    roles = bicep["variables"]["roles"]["value"]
    given = {}
    for name, config in assignments.items():
        of = config["properties"]
        role = path_of(of["roleDefinitionId"]["function"]["parameters"]["resource_name_1"])
        given[name] = (role, config["scope"], path_of(of["principalId"]), of["principalType"])
    assert given == {
        "blobRole": ("roles.storageBlobDataOwner", "storage", "identity.properties.principalId", "ServicePrincipal"),
        "queueRole": (
            "roles.storageQueueDataContributor",
            "storage",
            "identity.properties.principalId",
            "ServicePrincipal",
        ),
        "tableRole": (
            "roles.storageTableDataContributor",
            "storage",
            "identity.properties.principalId",
            "ServicePrincipal",
        ),
        "logsRole": (
            "roles.monitoringMetricsPublisher",
            "insights",
            "identity.properties.principalId",
            "ServicePrincipal",
        ),
    }
    # Azure's built-in roles have these ids in every tenant.
    assert roles == {
        "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    }
    assert bicep["resources"]["app"]["config"]["dependsOn"][1:] == list(assignments)


def test_the_app_finds_its_account_and_its_hub_by_the_settings_that_jobkit_reads(bicep: Any):
    listed = bicep["resources"]["app"]["config"]["properties"]["siteConfig"]["appSettings"]
    settings = {setting["name"]: path_of(setting["value"]) for setting in listed}

    assert settings == {
        "AzureWebJobsStorage__blobServiceUri": "storage.properties.primaryEndpoints.blob",
        "AzureWebJobsStorage__queueServiceUri": "storage.properties.primaryEndpoints.queue",
        "AzureWebJobsStorage__tableServiceUri": "storage.properties.primaryEndpoints.table",
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": "identity.properties.clientId",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "insights.properties.ConnectionString",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=${identity.properties.clientId};Authorization=AAD",
        "JOBKIT_HUB": "hub",
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    }
    assert find_account(settings) == Account(
        tables_url="storage.properties.primaryEndpoints.table",
        queues_url="storage.properties.primaryEndpoints.queue",
        client_id="identity.properties.clientId",
    )
    assert hub_name({"JOBKIT_HUB": bicep["parameters"]["hub"]["default"]}) == "myetl"
    assert bicep["parameters"]["functionAppName"]["default"] == "my-etl-${uniqueString(resourceGroup().id)}"


def test_it_is_deployed_by_its_identity_on_flex_consumption_and_there_is_no_key(app: Path, bicep: Any):
    of = {name: resource["config"] for name, resource in bicep["resources"].items()}

    assert (of["plan"]["sku"]["name"], of["plan"]["properties"]["reserved"]) == ("FC1", True)
    assert path_of(of["app"]["properties"]["serverFarmId"]) == "plan.id"
    assert of["app"]["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {"'${identity.id}'": {}}}
    deployed = of["app"]["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert (deployed["type"], deployed["value"]) == (
        "blobContainer",
        "${storage.properties.primaryEndpoints.blob}${deploymentContainer}",
    )
    assert deployed["authentication"]["type"] == "UserAssignedIdentity"
    assert path_of(deployed["authentication"]["userAssignedIdentityResourceId"]) == "identity.id"
    assert of["storage__blobs__deployments"]["name"] == "deploymentContainer"
    assert of["storage"]["properties"]["allowSharedKeyAccess"] is False
    assert of["insights"]["properties"]["DisableLocalAuth"] is True
    assert re.findall(r"listKeys|AccountKey|Password", (app / "infra" / "main.bicep").read_text("utf-8")) == []


def test_the_workflow_runs_the_commands_of_the_readme(app: Path):
    workflow = yaml.safe_load((app / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    readme = (app / "README.md").read_text("utf-8")

    steps = workflow["jobs"]["app"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert workflow[True] == {"push": {"branches": ["main"]}, "pull_request": None}  # YAML 1.1 takes `on` for true
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["app"]["env"] == {"JOBKIT": "${{ vars.JOBKIT }}"}
    assert commands == [
        'test -n "$JOBKIT" || { echo "::error::Set the repository variable JOBKIT (README.md)"; exit 1; }',
        'python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt "$JOBKIT"',
        ".venv/bin/pytest",
        ".venv/bin/jobkit controllers",
        ".venv/bin/jobkit deploy . --check",
    ]
    assert [command for command in commands[1:] if command.replace('"$JOBKIT"', "../jobkit") not in readme] == []


def test_neither_is_deployed(app: Path):
    ignored = (app / ".funcignore").read_text("utf-8").splitlines()

    assert {".git*", "infra/", "*.whl"} <= set(ignored)
