"""Encodes images and documents."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.xai import v1 as x

from dragoman_service.dialects.media import data_url, media_type_of

_IMAGE = "image/"


def encode_media(part: v1.Part) -> x.Content:
    """A part that is a blob or a file."""
    if part.HasField("blob"):
        blob = part.blob
        if blob.media_type.startswith(_IMAGE):
            return x.Content(image_url=x.ImageUrlContent(image_url=data_url(blob), detail=x.DETAIL_AUTO))
        return x.Content(file=x.FileContent(data=blob.data, filename=blob.name, mime_type=blob.media_type))
    file = part.file
    is_image = (file.media_type or media_type_of(file.uri)).startswith(_IMAGE)
    if file.id:
        if is_image:
            return x.Content(image_url=x.ImageUrlContent(file_id=file.id, detail=x.DETAIL_AUTO))
        return x.Content(file=x.FileContent(file_id=file.id))
    if is_image:
        return x.Content(image_url=x.ImageUrlContent(image_url=file.uri, detail=x.DETAIL_AUTO))
    return x.Content(file=x.FileContent(url=file.uri, filename=file.name, mime_type=file.media_type))
