"""A foreign S3 client for the tests: boto3, path-style, no retries.

    s3_client.py everything ENDPOINT BUCKET
        every operation that the gateway promises, on a bucket of its own; content is compared
    s3_client.py fill ENDPOINT BUCKET...
        makes buckets, each with an object `source`
    s3_client.py stuff ENDPOINT BUCKET COUNT
        makes a bucket with so many objects, and an upload that is not ended
    s3_client.py left ENDPOINT BUCKET
        prints how many objects and uploads there are
    s3_client.py copy ENDPOINT SOURCE_BUCKET:DESTINATION_BUCKET...
        copies the key `source` to `copied`; prints for each the status and the content or error code
    s3_client.py signed ENDPOINT METHOD SIGNED_PATH SENT_TARGET [HEADER:VALUE...]
        signs one path and sends another target, byte for byte; prints the status and the body

Credentials come from the environment. The exit status is 0 only if all went as promised.
"""

import hashlib
import http.client
import concurrent.futures
import sys
from urllib.parse import urlsplit

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

REGION = "us-east-1"
MIB = 1024 * 1024
KEYS = ["plain.txt", "dir/a b.txt", "dir/ünïcödé ☃.txt", "dir/one+two.txt", "dir/deep/er.txt", "it's (1) ok!.txt"]


def client(endpoint):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=120)
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=config)


def same(what, got, expected):
    if got != expected:
        raise SystemExit(f"{what}: got {got!r}, expected {expected!r}")


def everything(endpoint, bucket):
    s3 = client(endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.head_bucket(Bucket=bucket)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=f"content of {key}".encode(), Metadata={"color": "blue"})
    for key in KEYS:
        content = f"content of {key}".encode()
        same(f"get {key}", s3.get_object(Bucket=bucket, Key=key)["Body"].read(), content)
        ranged = s3.get_object(Bucket=bucket, Key=key, Range="bytes=3-8")
        same(f"ranged status {key}", ranged["ResponseMetadata"]["HTTPStatusCode"], 206)
        same(f"ranged get {key}", ranged["Body"].read(), content[3:9])
        head = s3.head_object(Bucket=bucket, Key=key)
        same(f"head {key}", (head["ContentLength"], head["Metadata"]), (len(content), {"color": "blue"}))
    listings(s3, bucket)
    copy = {"Bucket": bucket, "Key": "dir/a b.txt"}
    s3.copy_object(Bucket=bucket, Key="dir/copy of a+b.txt", CopySource=copy)
    copied = s3.get_object(Bucket=bucket, Key="dir/copy of a+b.txt")["Body"].read()
    same("copy", copied, b"content of dir/a b.txt")
    multipart(s3, bucket)
    doomed = ["plain.txt", "dir/one+two.txt", "dir/copy of a+b.txt"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in doomed]})
    same("bulk delete", sorted(item["Key"] for item in answer["Deleted"]), sorted(doomed))
    left = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    same("left", sorted(left), sorted(set(KEYS) - set(doomed) | {"big.bin"}))
    s3.delete_object(Bucket=bucket, Key="big.bin")


def listings(s3, bucket):
    for list_objects in (s3.list_objects, s3.list_objects_v2):
        answer = list_objects(Bucket=bucket)
        same("list", sorted(item["Key"] for item in answer["Contents"]), sorted(KEYS))
        answer = list_objects(Bucket=bucket, Prefix="dir/", Delimiter="/")
        same("prefixes", [item["Prefix"] for item in answer["CommonPrefixes"]], ["dir/deep/"])
        keys = sorted(item["Key"] for item in answer["Contents"])
        same("list of a prefix", keys, sorted(key for key in KEYS if key.startswith("dir/") and "deep" not in key))


def multipart(s3, bucket):
    part = bytes(range(256)) * (8 * MIB // 256)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big.bin")["UploadId"]
    parts, whole = [], hashlib.sha256()
    for number in range(1, 9):
        body = number.to_bytes(4, "big") + part[4:]
        whole.update(body)
        answer = s3.upload_part(Bucket=bucket, Key="big.bin", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="big.bin", UploadId=upload, MultipartUpload={"Parts": parts})
    got = hashlib.sha256()
    for chunk in s3.get_object(Bucket=bucket, Key="big.bin")["Body"].iter_chunks(MIB):
        got.update(chunk)
    same("64 MiB in eight parts", got.hexdigest(), whole.hexdigest())


def fill(endpoint, *buckets):
    s3 = client(endpoint)
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="source", Body=f"source of {bucket}".encode())


def stuff(endpoint, bucket, count):
    """Many small objects, some with keys that must be escaped, and an upload that is not ended."""
    s3 = client(endpoint)
    s3.create_bucket(Bucket=bucket)
    keys = [f"n/{number:05}" for number in range(int(count) - 3)] + ["a b+c", "d&<e>'\"", "ü/é"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))
    s3.create_multipart_upload(Bucket=bucket, Key="under/way +1")


def left(endpoint, bucket):
    """How many objects and uploads there are."""
    s3 = client(endpoint)
    objects = sum(page["KeyCount"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket))
    print(objects, len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])))


def copy(endpoint, *pairs):
    s3 = client(endpoint)
    for pair in pairs:
        source, _, destination = pair.partition(":")
        try:
            s3.copy_object(Bucket=destination, Key="copied", CopySource={"Bucket": source, "Key": "source"})
        except ClientError as error:
            print(error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
        else:
            print(200, s3.get_object(Bucket=destination, Key="copied")["Body"].read().decode())


def signed(endpoint, method, path, target, *headers):
    body = b"smuggled" if method == "PUT" else b""
    request = AWSRequest(method=method, url=endpoint + path, data=body)
    for header in headers:
        name, _, value = header.partition(":")
        request.headers[name] = value
    S3SigV4Auth(get_session().get_credentials(), "s3", REGION).add_auth(request)
    prepared = request.prepare()
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in prepared.headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    print(answer.status, answer.read().decode())


{"everything": everything, "fill": fill, "stuff": stuff, "left": left, "copy": copy, "signed": signed}[sys.argv[1]](*sys.argv[2:])
