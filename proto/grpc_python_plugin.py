"""A protoc plugin that generates gRPC stubs with grpcio-tools, which has no plugin executable of its own."""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet

TWINS = "dragoman/dialect/"


def main() -> None:
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(request).SerializeToString())


def generate(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """Generates stubs for the requested files that contain a service, except for wire twins.

    Stubs of twins would be useless: they would call methods under our package, but the vendors' packages are served.
    """
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    candidates = [name for name in request.file_to_generate if not name.startswith(TWINS)]
    files = [file.name for file in request.proto_file if file.service and file.name in candidates]
    with tempfile.TemporaryDirectory() as folder:
        if files:
            run_protoc(FileDescriptorSet(file=request.proto_file), files, Path(folder))
        for path in sorted(Path(folder).rglob("*.py")):
            response.file.add(name=path.relative_to(folder).as_posix(), content=path.read_text(encoding="utf-8"))
    return response


def run_protoc(schema: FileDescriptorSet, files: list[str], folder: Path) -> None:
    image = folder / "image.binpb"
    image.write_bytes(schema.SerializeToString())
    options = [f"--descriptor_set_in={image}", f"--grpc_python_out={folder}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *files], check=True)


if __name__ == "__main__":
    main()
