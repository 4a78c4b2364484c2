"""A job's own bucket: its top-level ``s3Config``."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from f5_worker.job.checked import Checked, checked
from f5_worker.job.fields import BucketName, Credential, ServiceUrl
from f5_worker.job.forms import present
from f5_worker.job.problems import S3_FIELD, Problem
from f5_worker.s3_config import BUCKET_NAME_ALLOWED, S3Config, at_service
from f5_worker.settings import Settings


class S3ConfigInput(Checked):
    """A job's own bucket: its top-level ``s3Config``, with the names of RunPod's documents."""

    accessId: Credential = Field(repr=False, description="the id of an access key, as text")  # noqa: N815
    accessSecret: Credential = Field(repr=False, description="the secret of that access key, as text")  # noqa: N815
    bucketName: BucketName = Field(description=BUCKET_NAME_ALLOWED)  # noqa: N815
    endpointUrl: ServiceUrl = Field(  # noqa: N815
        None, repr=False, description="the URL of an S3 service, like https://s3.example.com, or leave it out for AWS"
    )

    def over(self, base: S3Config | None) -> S3Config:
        """This bucket, with the prefix, path style, expiry and timeout of ``base``, and its region at the same service."""
        base = base or S3Config(bucket=self.bucketName)
        endpoint, path_style = at_service(self.endpointUrl, self.bucketName, base.path_style)
        return replace(
            base,
            bucket=self.bucketName,
            access_key_id=self.accessId,
            secret_access_key=self.accessSecret,
            session_token=None,
            region=base.region if endpoint == base.endpoint_url else None,
            endpoint_url=endpoint,
            path_style=path_style,
            guarded=endpoint is not None and endpoint != base.endpoint_url,
        )


def checked_bucket(raw: object, settings: Settings) -> S3Config | list[Problem] | None:
    """The S3 configuration from ``s3Config``, else the endpoint's; or all that is wrong with it."""
    if raw is None or (isinstance(raw, Mapping) and raw and not present(raw)):
        return settings.s3
    if not isinstance(raw, Mapping):
        return [Problem.of_value(S3_FIELD, "is not an object", raw, f"one with {', '.join(S3ConfigInput.model_fields)}")]
    values = {name: value.strip() if isinstance(value, str) else value for name, value in raw.items()}
    absent = [name for name in S3ConfigInput.model_fields if values.get(name) in (None, "")]
    given = {name: value for name, value in values.items() if name not in absent}
    own = checked(S3ConfigInput, given, settings, S3_FIELD, prefix=f"{S3_FIELD}.")
    return own if isinstance(own, list) else own.over(settings.s3)
