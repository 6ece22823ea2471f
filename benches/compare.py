#!/usr/bin/env python3
"""What a call costs the clients that make it: CPU-seconds (user and system, whole process) for a million
unary calls of 26 bytes that are answered with 36, by turns on the same server in the same minutes.

    cargo build --release && cargo test --test it --no-run
    benches/compare.py                        # nghttpd, plaintext
    benches/compare.py --tls                  # nghttpd, TLS
    benches/compare.py --server canned        # a server whose answers cost next to nothing
    benches/compare.py --peers msvc,h2,ghz --server 127.0.0.1:50951

Needs nghttpd (Debian: nghttp2-server) and h2load (nghttp2-client); ghz is
`go install github.com/bojand/ghz/cmd/ghz@latest`. What ends with anything but success is an error here.
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "proto-examples/chat/proto"
METHOD = "chat.v1.ChatService/SendMessage"
DATA = '{"message":{"room":"lobby","author":"ada","text":"hello"}}'
REQUEST = b"\0\0\0\0\x15\x0a\x13\x0a\x05lobby\x12\x03ada\x1a\x05hello"
RESPONSE = b"\0\0\0\0\x1f" + b"r" * 31


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit(f"nothing listens on port {port}")


def start_nghttpd(folder, args):
    port = free_port()
    (folder / "chat.v1.ChatService").mkdir()
    (folder / METHOD).write_bytes(RESPONSE)
    command = ["nghttpd", "--address=127.0.0.1", "--trailer=grpc-status: 0", "-m", "1000", "-d", str(folder)]
    if args.tls:
        subprocess.run([args.msvc, "cert", "server", "-q"], cwd=folder, check=True)
        pair = [str(folder / "certs/server.key"), str(folder / "certs/server.pem")]
        command += [str(port), *pair]
    else:
        command += ["--no-tls", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for(port)
    return server, f"localhost:{port}" if args.tls else f"127.0.0.1:{port}"


def start_canned():
    binaries = list((ROOT / "target/debug/deps").glob("it-*"))
    binary = max((path for path in binaries if not path.suffix), key=lambda path: path.stat().st_mtime)
    server = subprocess.Popen(
        [binary, "--exact", "support::script::serve_until_killed", "--ignored", "--nocapture"],
        env={**os.environ, "MSVC_TEST_CANNED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in server.stdout:
        if "listening on " in line:
            return server, line.split()[-1]
    sys.exit("the canned server did not start")


def msvc(args, address, folder, connections, streams, engine):
    scheme = "https" if args.tls else "http"
    command = [args.msvc, "bench", f"{scheme}://{address}", METHOD, "-d", DATA, "-n", str(args.calls)]
    command += ["-c", str(connections * streams), "--connections", str(connections), "--engine", engine]
    command += ["--proto", str(PROTOS / "chat/v1/chat.proto"), "-I", str(PROTOS), "--format", "json", "-q"]
    if args.tls:
        command += ["--ca", str(folder / "certs/ca.pem")]

    def check(output):
        report = json.loads(output)
        assert report["calls"]["ok"] == args.calls, report["codes"]
        return report["calls_per_second"]

    return command, check


def h2load(args, address, folder, connections, streams):
    scheme = "https" if args.tls else "http"
    (folder / "request.bin").write_bytes(REQUEST)
    command = ["h2load", "-c", str(connections), "-m", str(streams), "-n", str(args.calls)]
    command += ["-d", str(folder / "request.bin"), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    command += [f"{scheme}://{address}/{METHOD}"]

    def check(output):
        assert f"{args.calls} succeeded, 0 failed" in output, output
        return float(re.search(r"([\d.]+) req/s", output).group(1))

    return command, check


def ghz(args, address, folder, connections, streams):
    # This ghz does not read `optional` in proto3.
    proto = (PROTOS / "chat/v1/chat.proto").read_text().replace("  optional ", "  ")
    (folder / "chat.proto").write_text(proto)
    command = ["ghz", "--insecure", "--proto", str(folder / "chat.proto"), "-i", str(PROTOS)]
    command += ["--call", METHOD.replace("/", "."), "-d", DATA, "-n", str(args.calls), "-O", "json"]
    command += ["-c", str(connections * streams), "--connections", str(connections), address]

    def check(output):
        report = json.loads(output)
        assert report["statusCodeDistribution"] == {"OK": args.calls}, report["statusCodeDistribution"]
        return report["rps"]

    return command, check


def cost(command, check, calls):
    """CPU-seconds for a million calls, and calls a second."""
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    # `msvc bench` ends with 4 when it was the limit itself, which it may well be here.
    assert child.returncode in (0, 4), (command, child.returncode, text)
    rate = check(text)
    return (usage.ru_utime + usage.ru_stime) * 1e6 / calls, rate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="nghttpd", help="nghttpd, canned, or HOST:PORT")
    parser.add_argument("--tls", action="store_true", help="with nghttpd")
    parser.add_argument("--peers", default="msvc,h2load", help="of msvc, h2 (msvc --engine h2), h2load, ghz")
    parser.add_argument("--shapes", default="1x100,4x25,10x100,50x1", help="connections x streams")
    parser.add_argument("--calls", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--msvc", default=str(ROOT / "target/release/msvc"))
    args = parser.parse_args()
    peers = args.peers.split(",")
    server = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            address = args.server
            if args.server == "nghttpd":
                server, address = start_nghttpd(folder, args)
            elif args.server == "canned":
                server, address = start_canned()
            heads = [f"{peer} CPU-s/M | calls/s" for peer in peers]
            print(f"| connections × streams | {' | '.join(heads)} | {peers[0]} : {peers[-1]} |")
            print("|" + "---|" * (2 * len(peers) + 2))
            for connections, streams in (map(int, shape.split("x")) for shape in args.shapes.split(",")):
                found = {peer: [] for peer in peers}
                for _ in range(args.rounds):
                    for peer in peers:
                        shape = (args, address, folder, connections, streams)
                        if peer in ("msvc", "h2"):
                            run = msvc(*shape, "native" if peer == "msvc" else "h2")
                        else:
                            run = {"h2load": h2load, "ghz": ghz}[peer](*shape)
                        found[peer].append(cost(*run, args.calls))
                medians = {}
                cells = []
                for peer in peers:
                    medians[peer], rate = map(statistics.median, zip(*found[peer]))
                    cells.append(f"{medians[peer]:.2f} | {rate:,.0f}")
                ratio = medians[peers[0]] / medians[peers[-1]]
                print(f"| {connections} × {streams} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)
        finally:
            if server is not None:
                server.send_signal(signal.SIGKILL)
                server.wait()


if __name__ == "__main__":
    main()
