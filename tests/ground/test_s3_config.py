"""What the host of an S3 service says: its bucket, its region, and whether it is AWS."""

import pytest

from f5_worker.s3_config import S3Config, is_bucket_name, split_bucket_url


@pytest.mark.parametrize(
    ("url", "endpoint", "bucket"),
    [
        ("https://bkt.s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com", "bkt"),
        ("https://my.dotted.bkt.s3.amazonaws.com/", "https://s3.amazonaws.com", "my.dotted.bkt"),
        ("https://bkt.s3-eu-west-1.amazonaws.com", "https://s3-eu-west-1.amazonaws.com", "bkt"),
        ("https://bkt.s3.dualstack.eu-west-1.amazonaws.com", "https://s3.dualstack.eu-west-1.amazonaws.com", "bkt"),
        ("https://bkt.s3.cn-north-1.amazonaws.com.cn", "https://s3.cn-north-1.amazonaws.com.cn", "bkt"),
        ("https://bkt.s3.us-west-004.backblazeb2.com", "https://s3.us-west-004.backblazeb2.com", "bkt"),
        ("https://bkt.s3.eu-central-1.wasabisys.com", "https://s3.eu-central-1.wasabisys.com", "bkt"),
        ("https://bkt.s3.fr-par.scw.cloud", "https://s3.fr-par.scw.cloud", "bkt"),
        ("https://bkt.nyc3.digitaloceanspaces.com", "https://nyc3.digitaloceanspaces.com", "bkt"),
        ("https://nyc3.digitaloceanspaces.com/bkt", "https://nyc3.digitaloceanspaces.com", "bkt"),
        ("https://s3.eu-west-1.amazonaws.com/bkt", "https://s3.eu-west-1.amazonaws.com", "bkt"),
        ("https://s3.amazonaws.com", "https://s3.amazonaws.com", None),
        ("http://localhost:9000/bkt/folder", "http://localhost:9000", "bkt"),
        ("https://acc.r2.cloudflarestorage.com", "https://acc.r2.cloudflarestorage.com", None),
    ],
)
def test_split_bucket_url(url: str, endpoint: str, bucket: str | None) -> None:
    assert split_bucket_url(url) == (endpoint, bucket)


@pytest.mark.parametrize(
    ("endpoint", "region", "on_aws"),
    [
        (None, "us-east-1", True),
        ("https://s3.amazonaws.com", "us-east-1", True),
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1", True),
        ("https://s3-eu-west-1.amazonaws.com:443/", "eu-west-1", True),
        ("https://bkt.s3.cn-north-1.amazonaws.com.cn", "cn-north-1", True),
        ("https://s3.us-west-004.backblazeb2.com", "us-west-004", False),
        ("https://s3.fr-par.scw.cloud", "fr-par", False),
        ("https://nyc3.digitaloceanspaces.com", "us-east-1", False),
        ("https://s3.eu-west-1.amazonaws.com.example.org", "us-east-1", False),
        ("http://localhost:9000", "us-east-1", False),
    ],
)
def test_the_host_names_region_and_service(endpoint: str | None, region: str, on_aws: bool) -> None:
    config = S3Config("bucket", endpoint_url=endpoint)
    assert (config.signing_region, config.on_aws) == (region, on_aws)
    assert S3Config("bucket", endpoint_url=endpoint, region="given").signing_region == "given"


@pytest.mark.parametrize(
    ("name", "can_be"), [("my.bkt-1", True), ("My_Bucket", True), ("a", False), ("a/b", False), (".a", False)]
)
def test_names_that_a_bucket_can_have(name: str, can_be: bool) -> None:
    assert is_bucket_name(name) == can_be
