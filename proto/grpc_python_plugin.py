"""A protoc plugin around grpcio-tools, whose generator of gRPC stubs comes without one of its own."""

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
    """Stubs for those of the files to generate that have a service.

    Wire twins get none: theirs would call methods under our names, and they are served under the vendors'.
    """
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    asked = [name for name in request.file_to_generate if not name.startswith(TWINS)]
    wanted = [file.name for file in request.proto_file if file.service and file.name in asked]
    with tempfile.TemporaryDirectory() as folder:
        if wanted:
            run_protoc(FileDescriptorSet(file=request.proto_file), wanted, Path(folder))
        for path in sorted(Path(folder).rglob("*.py")):
            response.file.add(name=path.relative_to(folder).as_posix(), content=path.read_text(encoding="utf-8"))
    return response


def run_protoc(files: FileDescriptorSet, wanted: list[str], folder: Path) -> None:
    image = folder / "image.binpb"
    image.write_bytes(files.SerializeToString())
    options = [f"--descriptor_set_in={image}", f"--grpc_python_out={folder}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *wanted], check=True)


if __name__ == "__main__":
    main()
