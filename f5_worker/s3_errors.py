"""What S3 and botocore can answer, translated into the worker's own storage errors: tables, no calls.

Nothing that the server or botocore wrote reaches a message, except an error code stripped to letters and digits: their texts
hold paths, URLs with signatures and, for a malformed key, the key itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from f5_worker.errors import (
    BucketNotFoundError,
    StorageDeniedError,
    StorageError,
    StorageExistsError,
    StorageNotConfiguredError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from f5_worker.s3_config import S3Config

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which S3 fails: its error class, and its sentence with ``{place}``, ``{bucket}``, ``{host}``, ``{cause}``."""

    error: type[StorageError]
    message: str


_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (accessId and accessSecret in a job's s3Config)"
_BUCKET = "S3_BUCKET (bucketName in a job's s3Config)"
_ENDPOINT = "AWS_ENDPOINT_URL (endpointUrl in a job's s3Config)"

NO_KEY = Fault(StorageNotFoundError, "There is no {place}; check its name.")
NO_BUCKET = Fault(BucketNotFoundError, "{host} has no bucket {bucket!r}; create it or correct " + _BUCKET + ".")
EXISTS = Fault(StorageExistsError, "There is already {place}; choose another name or allow overwriting.")
TOO_LONG = Fault(
    StorageError, "{host} rejects the name of {place} as too long ({cause}); choose a shorter one, or a shorter S3_PREFIX."
)
DENIED = Fault(
    StorageDeniedError,
    "{host} denies access to {place} ({cause}); allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject and "
    "s3:ListBucket on it (without s3:ListBucket a missing object is denied too) or correct " + _KEYS + ".",
)
BAD_KEYS = Fault(
    StorageDeniedError,
    "{host} refuses the credentials for the bucket {bucket!r} ({cause}); correct " + _KEYS + ", and AWS_REGION if the service "
    "has regions.",
)
EXPIRED = Fault(
    StorageDeniedError,
    "{host} refuses the session token for the bucket {bucket!r} ({cause}); set a fresh AWS_SESSION_TOKEN, or permanent keys.",
)
CLOCK = Fault(
    StorageDeniedError,
    "{host} refuses the request because the clocks differ ({cause}); correct this machine's clock, then retry.",
)
NO_KEYS = Fault(StorageNotConfiguredError, "No S3 credentials are set for the bucket {bucket!r} ({cause}); set " + _KEYS + ".")
REGION = Fault(
    StorageError,
    "The bucket {bucket!r} is in another region than the one that was asked ({cause}); set AWS_REGION to the bucket's own.",
)
BAD_REQUEST = Fault(
    StorageError,
    "{host} does not accept the request for {place} ({cause}); check AWS_REGION, AWS_SESSION_TOKEN and " + _ENDPOINT + ".",
)
NOT_S3 = Fault(StorageError, "{host} does not answer like an S3 server ({cause}); correct " + _ENDPOINT + ".")
UNSUPPORTED = Fault(StorageError, "{host} does not support what was asked for {place} ({cause}); use an S3 service that does.")
FULL = Fault(StorageError, "{host} has no room for {place} ({cause}); free space or raise the quota.")
BUSY = Fault(StorageUnreachableError, "{host} keeps failing for {place} ({cause}); try again later.")
UNREACHABLE = Fault(
    StorageUnreachableError, "S3 at {host} cannot be reached ({cause}); check " + _ENDPOINT + " and that the service is up."
)
SLOW = Fault(
    StorageUnreachableError,
    "S3 at {host} does not answer within {timeout:g} s ({cause}); check "
    + _ENDPOINT
    + " and the service, or raise S3_TIMEOUT.",
)
NOT_PUBLIC = Fault(
    StorageDeniedError,
    "s3Config.endpointUrl leads to {host}, which is not a public address; use a public S3 service, or set the bucket on the "
    "endpoint itself.",
)
CUT = Fault(
    StorageUnreachableError, "The connection to S3 at {host} keeps breaking off for {place} ({cause}); try again later."
)
CERTIFICATE = Fault(
    StorageUnreachableError,
    "No trusted TLS connection to S3 at {host} ({cause}); correct http or https in " + _ENDPOINT + ", or set AWS_CA_BUNDLE.",
)
PROXY = Fault(
    StorageUnreachableError, "The proxy in front of S3 at {host} does not answer ({cause}); correct HTTPS_PROXY and NO_PROXY."
)
BAD_SETTINGS = Fault(
    StorageError,
    "The S3 settings for the bucket {bucket!r} cannot work ({cause}); check "
    + ", ".join((_BUCKET, "AWS_REGION", "AWS_PROFILE", _ENDPOINT))
    + ".",
)
UNKNOWN = Fault(StorageError, "The S3 call for {place} at {host} failed ({cause}); see the service's status and the settings.")

# Codes as AWS and its imitations send them; HEAD answers have no body, so there botocore gives the bare status as the code.
CODES: Mapping[str, Fault] = {
    "NoSuchKey": NO_KEY,
    "NoSuchBucket": NO_BUCKET,
    "PreconditionFailed": EXISTS,
    "ConditionalRequestConflict": EXISTS,
    "KeyTooLongError": TOO_LONG,
    "KeyTooLong": TOO_LONG,
    "SignatureDoesNotMatch": BAD_KEYS,
    "InvalidAccessKeyId": BAD_KEYS,
    "InvalidAccessKey": BAD_KEYS,
    "InvalidSecurity": BAD_KEYS,
    "ExpiredToken": EXPIRED,
    "InvalidToken": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "PermanentRedirect": REGION,
    "TemporaryRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "IncorrectEndpoint": REGION,
    "NotImplemented": UNSUPPORTED,
    "MethodNotAllowed": NOT_S3,
    "QuotaExceeded": FULL,
    "StorageFull": FULL,
    "XMinioStorageFull": FULL,
    "InsufficientStorage": FULL,
    "EntityTooLarge": FULL,
    "SlowDown": BUSY,
    "RequestTimeout": BUSY,
    "Throttling": BUSY,
    "ThrottlingException": BUSY,
    "TooManyRequests": BUSY,
}
STATUSES: Mapping[int, Fault] = {
    301: REGION,
    307: REGION,
    400: BAD_REQUEST,
    401: DENIED,
    403: DENIED,
    404: NO_KEY,
    405: NOT_S3,
    412: EXISTS,
    429: BUSY,
    501: UNSUPPORTED,
    507: FULL,
}


@cache
def exceptions() -> Mapping[type[Exception], Fault]:
    """By class of botocore, which the first error imports; a subclass that is not named here is its base class."""
    import ssl

    from botocore import exceptions as botocore
    from botocore.parsers import ResponseParserError

    return {
        botocore.NoCredentialsError: NO_KEYS,
        botocore.PartialCredentialsError: NO_KEYS,
        botocore.CredentialRetrievalError: NO_KEYS,
        botocore.NoAuthTokenError: NO_KEYS,
        botocore.TokenRetrievalError: NO_KEYS,
        botocore.MetadataRetrievalError: NO_KEYS,
        botocore.UnknownCredentialError: NO_KEYS,
        botocore.SSOError: NO_KEYS,
        botocore.LoginError: NO_KEYS,
        botocore.ConnectTimeoutError: SLOW,
        botocore.ReadTimeoutError: SLOW,
        botocore.SSLError: CERTIFICATE,
        ssl.SSLError: CERTIFICATE,  # a ValueError too, where the certificate is the reason
        botocore.ProxyConnectionError: PROXY,
        botocore.ConnectionClosedError: CUT,
        botocore.ResponseStreamingError: CUT,
        botocore.IncompleteReadError: CUT,
        botocore.ChecksumError: CUT,
        botocore.FlexibleChecksumError: CUT,
        botocore.ConnectionError: UNREACHABLE,
        botocore.HTTPClientError: UNREACHABLE,
        botocore.CapacityNotAvailableError: BUSY,
        ResponseParserError: NOT_S3,
        botocore.ParamValidationError: BAD_SETTINGS,
        botocore.ValidationError: BAD_SETTINGS,
        botocore.BaseEndpointResolverError: BAD_SETTINGS,
        botocore.EndpointProviderError: BAD_SETTINGS,
        botocore.InvalidEndpointConfigurationError: BAD_SETTINGS,
        botocore.InvalidDNSNameError: BAD_SETTINGS,
        botocore.InvalidHostLabelError: BAD_SETTINGS,
        botocore.InvalidProxiesConfigError: BAD_SETTINGS,
        botocore.InvalidConfigError: BAD_SETTINGS,
        botocore.InvalidS3AddressingStyleError: BAD_SETTINGS,
        botocore.InvalidS3UsEast1RegionalEndpointConfigError: BAD_SETTINGS,
        botocore.InvalidSTSRegionalEndpointsConfigError: BAD_SETTINGS,
        botocore.InvalidRetryConfigurationError: BAD_SETTINGS,
        botocore.InvalidDefaultsMode: BAD_SETTINGS,
        botocore.InvalidChecksumConfigError: BAD_SETTINGS,
        botocore.InvalidIMDSEndpointError: BAD_SETTINGS,
        botocore.InvalidIMDSEndpointModeError: BAD_SETTINGS,
        botocore.UnsupportedS3ArnError: BAD_SETTINGS,
        botocore.UnsupportedS3AccesspointConfigurationError: BAD_SETTINGS,
        botocore.UnsupportedS3ConfigurationError: BAD_SETTINGS,
        botocore.UnknownRegionError: BAD_SETTINGS,
        botocore.ProfileNotFound: BAD_SETTINGS,
        botocore.ConfigParseError: BAD_SETTINGS,
        botocore.ConfigNotFound: BAD_SETTINGS,
        botocore.UnknownSignatureVersionError: BAD_SETTINGS,
        botocore.UnsupportedSignatureVersionError: BAD_SETTINGS,
        ValueError: BAD_SETTINGS,
    }


def endpoint_host(config: S3Config) -> str:
    """The endpoint's host and port: without user, path or query."""
    if config.endpoint_url is None:
        return f"s3.{config.region}.amazonaws.com" if config.region else "s3.amazonaws.com"
    try:
        netloc = urlsplit(config.endpoint_url).netloc
    except ValueError:
        netloc = ""
    return netloc.rpartition("@")[2] or "the configured endpoint"


def storage_error(fault: Fault, cause: str, config: S3Config, key: str | None) -> StorageError:
    """The worker's error for ``fault``, about the full ``key`` (``None``: the bucket as a whole)."""
    bucket = f"the bucket {config.bucket!r}" if key is None else f"{key!r} in the bucket {config.bucket!r}"
    message = fault.message.format(
        place=bucket, bucket=config.bucket, host=endpoint_host(config), cause=cause, timeout=config.timeout
    )
    return fault.error(message, storage_cause=cause)


def translate(error: Exception, config: S3Config, key: str | None) -> StorageError:
    """The worker's error for whatever botocore, boto3 or s3transfer raised."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import ClientError

    if isinstance(error, S3UploadFailedError) and isinstance(error.__context__, ClientError):
        error = error.__context__  # the wrapper knows what the server said only as text
    if isinstance(error, ClientError):
        return storage_error(*_of_answer(error, key), config, key)
    known = exceptions()
    fault = next((known[cls] for cls in type(error).__mro__ if cls in known), UNKNOWN)
    return storage_error(fault, type(error).__name__, config, key)


def _of_answer(error: "ClientError", key: str | None) -> tuple[Fault, str]:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = re.sub(r"[^A-Za-z0-9]", "", str(error.response.get("Error", {}).get("Code", "")))[:64]
    cause = code if not code or code == str(status) else f"{status} {code}"
    fault = CODES.get(code) or STATUSES.get(status) or (BUSY if status >= 500 else UNKNOWN)
    if fault is NO_KEY and key is None:
        fault = NO_BUCKET
    return fault, cause or str(status)
