"""What the host of an S3 service says: its bucket, its region, and whether it is AWS."""

import pytest

from f5_worker.job.request import parse_job
from f5_worker.s3_config import S3Config, at_service, is_bucket_name, split_bucket_url
from f5_worker.settings import Settings, load_settings


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


R2 = "https://0123456789abcdef.r2.cloudflarestorage.com"


@pytest.mark.parametrize(
    ("url", "endpoint", "style"),
    [
        (None, None, "auto"),
        (R2, R2, "auto"),
        (f"{R2}/mine", R2, "auto"),
        (f"{R2}/mine/", R2, "auto"),
        ("https://minio.example.com:9000/mine", "https://minio.example.com:9000", "auto"),
        ("https://mine.minio.example.com:9000", "https://minio.example.com:9000", "false"),
        ("https://ref.supabase.co/storage/v1/s3", "https://ref.supabase.co/storage/v1/s3", "auto"),
        ("https://ref.supabase.co/storage/v1/s3/mine", "https://ref.supabase.co/storage/v1/s3", "auto"),
        ("https://mine.s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com", "auto"),
        ("https://mine.oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com", "false"),
        ("https://mine-not.example.com", "https://mine-not.example.com", "auto"),
    ],
)
def test_a_bucket_in_the_services_url_is_understood_in_all_three_places(url: str | None, endpoint: str, style: str) -> None:
    assert at_service(url, "mine", "auto") == (endpoint, style)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    by_environment = load_settings({"S3_BUCKET": "mine", **keys, **({"AWS_ENDPOINT_URL": url} if url else {})}).s3
    own = {"accessId": "key", "accessSecret": "secret", "bucketName": "mine", "endpointUrl": url}
    by_job = parse_job({"input": {"endpoint": "health"}, "s3Config": own}, Settings()).s3
    runpods = {"BUCKET_ACCESS_KEY_ID": "key", "BUCKET_SECRET_ACCESS_KEY": "secret", "S3_BUCKET": "mine"}
    by_runpod = load_settings({**runpods, "BUCKET_ENDPOINT_URL": url}).s3 if url and "supabase" not in url else by_job
    for config in (by_environment, by_job, by_runpod):
        assert config is not None
        assert (config.bucket, config.endpoint_url) == ("mine", endpoint)


@pytest.mark.parametrize(
    ("url", "on_path"),
    [
        (None, False),
        (R2, True),
        ("https://oss-cn-hangzhou.aliyuncs.com", False),
        ("https://cos.ap-guangzhou.myqcloud.com", False),
    ],
)
def test_services_that_want_the_bucket_in_the_hosts_name_get_it_there(url: str | None, on_path: bool) -> None:
    assert S3Config("mine", endpoint_url=url).on_path is on_path
