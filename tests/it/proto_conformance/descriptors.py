"""Compares two descriptor sets, file by file.

`descriptors.py PROTOC MSVC` prints a JSON document: how many files both have, and which differ in what they
define (with the values of custom options) or in their places and comments. `descriptors.py --layout A B`
compares what is left when protos are laid out anew: no places, imports in one order.
"""

import collections
import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

OPTIONS = "google/protobuf/descriptor.proto"


def read(paths):
    """The sets, with custom options as the fields that they are where the first set defines them."""
    encoded = [open(path, "rb").read() for path in paths]
    plain = descriptor_pb2.FileDescriptorSet.FromString(encoded[0])
    pool = descriptor_pool.DescriptorPool()
    if all(file.name != OPTIONS for file in plain.file):
        pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    for file in plain.file:
        try:
            pool.Add(file)
        except TypeError:
            pass  # What this implementation refuses has no options of its own.
    whole = pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet")
    kind = message_factory.GetMessageClass(whole)
    for file in plain.file:
        try:
            message_factory.GetMessageClassesForFiles([file.name], pool)
        except KeyError:
            pass
    return [{file.name: file for file in kind.FromString(it).file} for it in encoded]


def places(file):
    return collections.Counter(
        (
            tuple(it.path),
            tuple(it.span),
            it.leading_comments,
            it.trailing_comments,
            tuple(it.leading_detached_comments),
        )
        for it in file.source_code_info.location
    )


def normalize(file):
    """`rpc A(B) returns (C) {}` has options for protoc, though none."""
    for service in file.service:
        for method in service.method:
            if method.HasField("options") and not method.options.ByteSize():
                method.ClearField("options")


def sort_imports(file):
    imports = list(file.dependency)
    public = sorted(imports[index] for index in file.public_dependency)
    weak = sorted(imports[index] for index in file.weak_dependency)
    file.ClearField("public_dependency")
    file.ClearField("weak_dependency")
    file.dependency[:] = sorted(imports) + ["public"] + public + ["weak"] + weak


def main():
    arguments = sys.argv[1:]
    layout = arguments[0] == "--layout"
    left, right = read(arguments[-2:])
    differ, misplaced = [], []
    for name in sorted(left.keys() & right.keys()):
        pair = [left[name], right[name]]
        where = [places(file) for file in pair]
        for file in pair:
            normalize(file)
            file.ClearField("source_code_info")
            if layout:
                sort_imports(file)
        if pair[0] != pair[1]:
            differ.append(name)
        if not layout and where[0] != where[1]:
            misplaced.append(name)
    only = sorted(left.keys() ^ right.keys())
    files = len(left.keys() & right.keys())
    print(json.dumps({"files": files, "only": only, "differ": differ, "misplaced": misplaced}))


main()
