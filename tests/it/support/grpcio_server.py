"""A server on grpcio, which is gRPC's C core: it echoes what it is sent, however often it is told to."""

import sys
from concurrent import futures

import grpc

CLOSED = (grpc.StatusCode.PERMISSION_DENIED, "closed: 100 % für dich")


def send_message(request, context):
    if b"small" in request:
        context.set_compression(grpc.Compression.Gzip)
        return b"x" * 100_000
    if b"closed" in request:
        context.abort(*CLOSED)
    if b"large" in request:
        return b"x" * 3_000_000
    return request


def watch_room(request, context):
    for _ in range(7):
        yield request
    if b"closed" in request:
        context.abort(*CLOSED)


def import_messages(requests, context):
    return b"".join(requests)


def chat(requests, context):
    yield from requests


METHODS = {
    "SendMessage": grpc.unary_unary_rpc_method_handler(send_message),
    "WatchRoom": grpc.unary_stream_rpc_method_handler(watch_room),
    "ImportMessages": grpc.stream_unary_rpc_method_handler(import_messages),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}

server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("chat.v1.ChatService", METHODS),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening on 127.0.0.1:{port}", flush=True)
# It ends with the test, whose end of the pipe closes.
sys.stdin.read()
server.stop(None)
