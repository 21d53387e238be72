"""A project goes to the service as a file, and comes out as it was."""

from pathlib import Path

from template_files import read, resources

from penstock.local.project_file import Project
from penstock.local.project_snapshot import read_snapshot, write_snapshot

TEMPLATE = resources("""
Orders: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 9}}
News:
  Type: AWS::SNS::Topic
  Properties: {Subscription: [{Protocol: sqs, Endpoint: !GetAtt Orders.Arn}]}
Show:
  Type: AWS::Lambda::Function
  Properties: {Code: ., Handler: app.handler, Runtime: python3.11}
Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties: {FunctionName: !Ref Show, EventSourceArn: !GetAtt Orders.Arn, BatchSize: 5}
Alarm: {Type: AWS::CloudWatch::Alarm}
""")


def test_project_comes_out_as_it_went_in(tmp_path: Path) -> None:
    project = read(tmp_path, TEMPLATE)

    assert read_snapshot(write_snapshot(project, tmp_path)) == project


def test_project_without_a_file_comes_out_too(tmp_path: Path) -> None:
    assert read_snapshot(write_snapshot(Project(), tmp_path)) == Project()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = write_snapshot(Project(), tmp_path)

    assert path.stat().st_mode & 0o777 == 0o600
