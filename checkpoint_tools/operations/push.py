"""Operation ``push``: uploads a verified export to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools.options.conversion import Push
from checkpoint_tools.publishing.export_files import files_to_publish
from checkpoint_tools.publishing.hub import check_repository, read_token, upload
from megatron_ko.wording import format_count


def run(options: Push) -> int:
    check_repository(options.repo)
    token = read_token()
    folder = Path(options.folder).expanduser()
    names, left = files_to_publish(folder)
    size = sum((folder / name).stat().st_size for name in names)
    visibility = "public" if options.public else "private"
    print(
        f"verified {folder}: {format_count(len(names), 'file')}, {size / 1e9:.3f} GB, to the {visibility} {options.repo}"
    )
    if left:
        print(f"  not uploaded: {', '.join(left)}")
    print(f"pushed {upload(folder, names, options.repo, options.public, token)}")
    return 0
