"""Writes messages at random as Google's implementation has them.

`messages.py SET PREFIX SEED COUNT` prints a line of JSON for each of COUNT messages whose types begin with
PREFIX: its type, its bytes in base64, and its JSON.
"""

import base64
import json
import random
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor as Field

TEXTS = ["", "a", "naïve", "\u2028<\"\\/\x07", "日本語 🦀", "null"]
INTEGERS = [0, 1, -1, 7, 2**31 - 1, -(2**31), 2**32 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1]
# Without -0.0, which prost takes for a default: it is neither sent nor written.
FLOATS = [0.0, 1.0, 0.1, -1.5, 1e-7, 1e21, 3.4e38, float("inf"), float("-inf"), float("nan")]
FINITE = [it for it in FLOATS if it - it == 0]
RANGES = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Messages:
    def __init__(self, path, seed):
        self.random = random.Random(seed)
        self.pool = descriptor_pool.DescriptorPool()
        files = descriptor_pb2.FileDescriptorSet.FromString(open(path, "rb").read()).file
        for file in files:
            self.pool.Add(file)
        found = [self.pool.FindFileByName(file.name) for file in files]
        self.types = [one for file in found for one in file.message_types_by_name.values()]
        for one in self.types:
            self.types.extend(it for it in one.nested_types if not it.GetOptions().map_entry)
        # Their JSON is that of proto1.
        self.types = [it for it in self.types if not it.GetOptions().message_set_wire_format]

    def message(self, descriptor, depth=0):
        message = message_factory.GetMessageClass(descriptor)()
        special = getattr(self, descriptor.name, None)
        if descriptor.file.package == "google.protobuf" and special:
            special(message, depth)
            return message
        for field in descriptor.fields:
            if field.message_type and field.message_type.GetOptions().message_set_wire_format:
                continue
            nests = field.cpp_type == Field.CPPTYPE_MESSAGE
            likely = 0.9 - 0.3 * depth if nests else 0.5
            if field.is_required or self.random.random() < likely:
                self.fill(message, field, depth)
        return message

    def fill(self, message, field, depth):
        if not field.is_repeated:
            if field.cpp_type == Field.CPPTYPE_MESSAGE:
                getattr(message, field.name).CopyFrom(self.message(field.message_type, depth + 1))
            else:
                setattr(message, field.name, self.scalar(field))
            return
        values = getattr(message, field.name)
        for _ in range(self.random.randrange(1, 4)):
            if field.message_type and field.message_type.GetOptions().map_entry:
                key, value = field.message_type.fields
                key = self.scalar(key)
                if value.cpp_type == Field.CPPTYPE_MESSAGE:
                    values[key].CopyFrom(self.message(value.message_type, depth + 1))
                else:
                    values[key] = self.scalar(value)
            elif field.cpp_type == Field.CPPTYPE_MESSAGE:
                values.add().CopyFrom(self.message(field.message_type, depth + 1))
            else:
                values.append(self.scalar(field))

    def scalar(self, field):
        if field.cpp_type in RANGES:
            low, high = RANGES[field.cpp_type]
            return self.random.choice([it for it in INTEGERS if low <= it <= high])
        if field.cpp_type in (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE):
            # prost-reflect writes wrappers of what is no number as `null`: proto-conformance.md has it.
            wrapped = field.containing_type.full_name.startswith("google.protobuf.")
            return self.random.choice(FINITE if wrapped else FLOATS)
        if field.cpp_type == Field.CPPTYPE_BOOL:
            return self.random.random() < 0.5
        if field.cpp_type == Field.CPPTYPE_ENUM:
            return self.random.choice(field.enum_type.values).number
        if field.type == Field.TYPE_BYTES:
            return self.random.randbytes(self.random.randrange(5))
        return self.random.choice(TEXTS)

    # The messages of google.protobuf whose JSON is their own, by their names.

    def Timestamp(self, message, depth):
        message.seconds = self.random.randrange(-62135596800, 253402300800)
        message.nanos = self.random.choice([0, 1, 500_000_000, 120_000, 999_999_999])

    def Duration(self, message, depth):
        message.seconds = self.random.choice([0, 1, -1, 315_576_000_000])
        sign = -1 if message.seconds < 0 else 1
        message.nanos = sign * self.random.choice([0, 1, 10_000_000, 999_999_999])

    def FieldMask(self, message, depth):
        message.paths.extend(self.random.choice(["a", "a.b_c", "long_name.d"]) for _ in range(2))

    def Any(self, message, depth):
        # Of google.protobuf's, an `Any` without a type and one of `Empty` are told otherwise by
        # prost-reflect: proto-conformance.md has it.
        own = [it for it in self.types if it.file.package != "google.protobuf"]
        wanted = self.random.choice(own)
        if depth > 2:
            wanted = min(own, key=lambda it: len(it.fields))
        message.Pack(self.message(wanted, depth + 3))

    def Value(self, message, depth):
        kind = self.random.randrange(6 if depth < 3 else 4)
        if kind == 0:
            message.null_value = 0
        elif kind == 1:
            message.number_value = self.random.choice(FINITE)
        elif kind == 2:
            message.string_value = self.random.choice(TEXTS)
        elif kind == 3:
            message.bool_value = True
        elif kind == 4:
            self.ListValue(message.list_value, depth + 1)
        else:
            self.Struct(message.struct_value, depth + 1)

    def ListValue(self, message, depth):
        message.SetInParent()
        for _ in range(2):
            self.Value(message.values.add(), depth + 1)

    def Struct(self, message, depth):
        message.SetInParent()
        for key in self.random.sample(TEXTS, 2):
            self.Value(message.fields[key], depth + 1)


def main():
    path, prefix, seed, count = sys.argv[1:]
    messages = Messages(path, int(seed))
    wanted = [it for it in messages.types if it.full_name.startswith(prefix)]
    for index in range(int(count)):
        message = messages.message(wanted[index % len(wanted)])
        written = json_format.MessageToJson(message, descriptor_pool=messages.pool, indent=None)
        encoded = base64.b64encode(message.SerializeToString()).decode()
        print(json.dumps({"type": message.DESCRIPTOR.full_name, "bytes": encoded, "json": written}))


main()
