"""Prepares a moto server for a test: a bucket, a role that may use it, and, from the second request on, checked signatures.

aws.py URL
"""

import json
import sys
import urllib.request

import boto3

url = sys.argv[1]
aws = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="setup", aws_secret_access_key="setup")
boto3.client("s3", **aws).create_bucket(Bucket="agents-bucket")
iam = boto3.client("iam", **aws)
trust = {"Version": "2012-10-17", "Statement": []}
role = iam.create_role(RoleName="agents", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_role_policy(RoleName="agents", PolicyName="bucket", PolicyDocument=json.dumps(may))
# AssumeRoleWithWebIdentity is not signed; whatever comes after it is checked, signature and rights.
reset = urllib.request.Request(
    f"{url}/moto-api/reset-auth", data=b"1", method="POST", headers={"Content-Type": "text/plain"}
)
urllib.request.urlopen(reset).read()
print(role)
