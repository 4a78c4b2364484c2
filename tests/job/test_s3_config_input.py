"""A job's own ``s3Config``: checked with the rest of the job, and merged over the endpoint's."""

import json
from typing import Any

import pytest

from f5_worker.job.bucket import S3ConfigInput
from f5_worker.job.request import parse_job
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from tests.job.test_request import LEAST, refused_job

R2 = "https://acc.r2.cloudflarestorage.com"
OWN: dict[Any, Any] = {"accessId": "jkey", "accessSecret": "jsecret", "bucketName": "jobs"}
FIELDS = ", ".join(OWN) + ", endpointUrl"


def merged(own: object, base: S3Config | None = None) -> S3Config | None:
    return parse_job({"input": {"text": "Hello."}, "s3Config": own}, Settings(s3=base)).s3


@pytest.mark.parametrize("base", [None, S3Config(bucket="b", access_key_id="key")])
def test_without_one_the_endpoints_is_used(base: S3Config | None) -> None:
    assert merged(None, base) is base
    assert parse_job({"input": {"text": "Hello."}}, Settings(s3=base)).s3 is base


def test_it_wins_and_keeps_what_is_the_endpoints() -> None:
    base = S3Config(
        bucket="voices",
        access_key_id="key",
        secret_access_key="secret",
        session_token="token",
        region="eu-west-1",
        prefix="p",
        url_expires=60,
        path_style="true",
        timeout=5.0,
    )
    assert merged(OWN, base) == S3Config(
        bucket="jobs",
        access_key_id="jkey",
        secret_access_key="jsecret",
        region="eu-west-1",
        prefix="p",
        url_expires=60,
        path_style="true",
        timeout=5.0,
    )


def test_without_an_endpoints_the_rest_is_the_default() -> None:
    own = {name: f" {value}\n" for name, value in OWN.items()}
    assert merged(own) == S3Config(bucket="jobs", access_key_id="jkey", secret_access_key="jsecret")


@pytest.mark.parametrize(
    ("given_url", "endpoint"),
    [
        (None, None),
        ("", None),
        (" ", None),
        (f"{R2}/", R2),
        (f"{R2}/jobs", R2),
        ("https://jobs.s3.us-west-2.amazonaws.com", "https://s3.us-west-2.amazonaws.com"),
        ("https://other.s3.us-west-2.amazonaws.com", "https://other.s3.us-west-2.amazonaws.com"),
    ],
)
def test_its_endpoint_url(given_url: str | None, endpoint: str | None) -> None:
    config = merged({**OWN, "endpointUrl": given_url}, S3Config(bucket="b", region="eu-west-1"))
    assert config is not None
    assert config.endpoint_url == endpoint
    assert config.region == ("eu-west-1" if endpoint is None else None), "another service has another region"


NOT_A_SERVICE = "s3Config.endpointUrl is not the URL of a service; use the URL of an S3 service, like https://s3.example.com"


@pytest.mark.parametrize(
    ("own", "field", "message"),
    [
        ("text", "s3Config", f"s3Config is not an object; use one with {FIELDS}."),
        ([], "s3Config", "s3Config is not an object"),
        (7391, "s3Config", "s3Config is not an object"),
        ({}, "s3Config.accessId", "s3Config.accessId is missing; send the id of an access key"),
        ({**OWN, "accessSecret": " "}, "s3Config.accessSecret", "s3Config.accessSecret is missing"),
        ({**OWN, "bucketName": None}, "s3Config.bucketName", "s3Config.bucketName is missing"),
        (
            {**OWN, "bucketName": "a/b"},
            "s3Config.bucketName",
            's3Config.bucketName="a/b" is not the name of a bucket; use letters',
        ),
        ({**OWN, "accessId": 7391}, "s3Config.accessId", "s3Config.accessId has the wrong type; use the id of an access key"),
        ({**OWN, "accessSecret": ["jsecret"]}, "s3Config.accessSecret", "s3Config.accessSecret has the wrong type"),
        ({**OWN, "accessSecret": "jsecret\ud800"}, "s3Config.accessSecret", "s3Config.accessSecret is not valid Unicode"),
        ({**OWN, "bucketName": 7391}, "s3Config.bucketName", "s3Config.bucketName=7391 has the wrong type"),
        ({**OWN, "endpointURL": R2}, "s3Config.endpointURL", "is not a field of s3Config; did you mean endpointUrl?"),
        ({**OWN, 5: "x"}, "s3Config.5", f"s3Config.5 is not a field of s3Config. Allowed: {FIELDS}."),
        ({**OWN, "text": "x"}, "s3Config.text", "s3Config.text is not a field of s3Config."),
        ({**OWN, "endpointUrl": "s3.example.com"}, "s3Config.endpointUrl", NOT_A_SERVICE),
        ({**OWN, "endpointUrl": "http://[::1"}, "s3Config.endpointUrl", NOT_A_SERVICE),
        ({**OWN, "endpointUrl": "https://u:jsecret@h"}, "s3Config.endpointUrl", NOT_A_SERVICE),
        ({**OWN, "endpointUrl": "u:jsecret@h"}, "s3Config.endpointUrl", NOT_A_SERVICE),
    ],
)
def test_it_is_refused_by_field(own: Any, field: str, message: str) -> None:
    error = refused_job({"input": {"text": "Hello."}, "s3Config": own})
    assert error.details["field"] == field
    assert message in error.message
    if field != "s3Config.bucketName":
        assert "7391" not in json.dumps(error.answer())
    assert "jsecret" not in json.dumps(error.answer())


@pytest.mark.parametrize("secret", [7391, 73.91, "7391", {"7391": "7391"}, ["7391"], True])
@pytest.mark.parametrize("name", ["accessId", "accessSecret", "endpointUrl", "accesSecret"])
def test_no_value_of_it_is_shown_but_the_bucket(name: str, secret: object) -> None:
    error = refused_job({"input": {"text": "Hello.", "speed": 9}, "s3Config": {**OWN, name: secret, "bucketName": "a/b"}})
    answer = json.dumps(error.answer())
    assert "7391" not in answer
    assert "73.91" not in answer
    assert "a/b" in answer


def test_its_problems_stand_with_those_of_the_input() -> None:
    error = refused_job({"input": {"text": "Hello.", "speed": 9}, "s3Config": {**OWN, "bucketName": "a/b", "endpointURL": R2}})
    assert [problem.split(" ")[0] for problem in error.details["problems"]] == [
        "speed=9",
        "s3Config.endpointURL",
        's3Config.bucketName="a/b"',
    ]
    assert error.message.endswith("(2 more in problems.)")


@pytest.mark.parametrize("fields", [None, "text", {"endpoint": "ttss"}])
def test_it_is_checked_also_where_the_input_says_nothing(fields: object) -> None:
    problems = refused_job({"input": fields, "s3Config": []}).details["problems"]
    assert len(problems) == 2
    assert problems[1].startswith("s3Config is not an object")


@pytest.mark.parametrize("endpoint", LEAST)
def test_every_endpoint_refuses_a_wrong_one(endpoint: str) -> None:
    error = refused_job({"input": {"endpoint": endpoint, **LEAST[endpoint]}, "s3Config": {**OWN, "endpointURL": R2}})
    assert error.details["did_you_mean"] == "endpointUrl"


def test_it_shows_no_credential() -> None:
    shown = repr(S3ConfigInput.model_validate({**OWN, "endpointUrl": "https://own.example.com"})) + repr(merged(OWN))
    assert "jkey" not in shown
    assert "jsecret" not in shown
