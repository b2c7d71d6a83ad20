"""Licenses of files and repositories, and texts about licenses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from preprocessing.judging.license_expressions import classify, normalize_expression
from preprocessing.judging.licenses import (
    find_declared,
    find_in_header,
    find_in_license_text,
    find_in_repository,
)

APACHE = '# Copyright 2020 Kim\n# Licensed under the Apache License,\n#   Version 2.0 (the "License");\n'
PIECES = [
    "SPDX-License-Identifier:", "MIT", " OR ", "(", ")", "licensed under the ", "GNU ", "General Public License", "GPL",
    "version 3", "any later version", "copyright", "this file ", "\n", "# ", " * ", "/*", "LICENSE", "Version 2", " ", ". ",
    "permission is hereby granted", "redistribution and use in source and binary forms", "public domain", "한글", "\0",
]  # fmt: skip
BSD = "Redistribution and use in source and binary forms, with or without modification, are permitted"


@pytest.mark.parametrize(
    ("header", "license"),
    [
        (APACHE, "Apache-2.0"),
        (APACHE.replace("# ", " * "), "Apache-2.0"),
        ("// SPDX-License-Identifier: MIT\n", "MIT"),
        ("/* SPDX-License-Identifier: (GPL-2.0+ OR MIT) */\n", "GPL-2.0-or-later OR MIT"),
        (
            "# SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note\n",
            "GPL-2.0-only WITH Linux-syscall-note",
        ),
        ("<!-- SPDX-License-Identifier: CC-BY-4.0 -->\n", "CC-BY-4.0"),
        (
            "/* Copyright (c) 2019 Lee\n * Permission is hereby granted, free of charge, to any person\n * obtaining a copy */",
            "MIT",
        ),
        ("# Copyright (c) Park\n# This code is released under the MIT license.\n", "MIT"),
        ("; Copyright Choi. Distributed under the terms of the MIT License.\n", "MIT"),
        (f"// Copyright 2009\n// {BSD}\n", "BSD-2-Clause"),
        (f"// Copyright 2009\n// {BSD} ...\n// Neither the name of the author\n", "BSD-3-Clause"),
        (
            "// Copyright 2013 The Authors. All rights reserved.\n// Use of this source code is governed by a BSD-style\n// license that can be found in the LICENSE file.\n",
            "LicenseRef-BSD",
        ),
        (
            "/* Permission to use, copy, modify, and/or distribute this software for any\n * purpose with or without fee is hereby granted, provided that */",
            "ISC",
        ),
        (
            "/* This Source Code Form is subject to the terms of the Mozilla Public\n * License, v. 2.0. */",
            "MPL-2.0",
        ),
        (
            "# This program is free software; you can redistribute it under the terms of the GNU General Public License\n"
            "# as published by the Free Software Foundation; either version 2 of the License, or (at your option)\n# any later version.\n",
            "GPL-2.0-or-later",
        ),
        ("// This file is licensed under the GPL v3.\n", "GPL-3.0-only"),
        (
            "# This library is distributed under the GNU Lesser General Public License, version 2.1\n",
            "LGPL-2.1-only",
        ),
        (
            "/* This program: under the terms of the GNU Affero General Public License version 3 */",
            "AGPL-3.0-only",
        ),
        (
            "// This is free and unencumbered software released into the public domain.\n",
            "Unlicense",
        ),
        ("# This file is in the public domain.\n", "LicenseRef-PublicDomain"),
        ("// CC0 1.0 Universal\n", "CC0-1.0"),
        ('"""Copyright 2001 Kim. Licensed to PSF under a Contributor Agreement."""', "PSF-2.0"),
        ("/* 3. Altered source versions must be plainly marked as such */", "Zlib"),
        ("// Distributed under the Boost Software License, Version 1.0.\n", "BSL-1.0"),
        (
            "# 이 파일은 김 아무개가 만들었다.\n# Copyright 2024 김\n# 라이선스: Licensed under the MIT License\n",
            "MIT",
        ),
        (
            "# Copyright Kim. Proprietary and confidential.\n",
            "LicenseRef-Proprietary",
        ),
    ],
)
def test_licenses_in_headers(header, license):
    assert find_in_header(header) == license


@pytest.mark.parametrize(
    "header",
    [
        '"""Checks whether files are released under the MIT license."""',
        "# This module detects code that is distributed under the GNU General Public License, version 3.\n",
        "# Finds headers with an SPDX-License-Identifier: MIT line.\n",
        "# Copyright 2020 Kim. All rights reserved.\n",
        "# Submit the form under the terms of the permit.\n",
        "# 라이선스를 검사하는 도구\n",
        "# The MIT curriculum. This file lists its courses.\n",
        "# This file follows the rules of the GNU project, under the GNU coding standards.\n",
    ],
)
def test_a_text_about_licenses_has_none(header):
    assert find_in_header(header) is None


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        (None, "none"),
        ("", "none"),
        ("MIT", "permissive"),
        ("GPL-3.0-only", "copyleft"),
        ("LGPL-2.1-or-later", "copyleft"),
        ("MPL-2.0", "copyleft"),
        ("CC-BY-SA-4.0", "copyleft"),
        ("CC-BY-NC-4.0", "unknown"),
        ("LicenseRef-Proprietary", "unknown"),
        ("GPL-2.0-only OR MIT", "permissive"),
        ("MIT AND GPL-2.0-only", "copyleft"),
        ("(MIT OR Apache-2.0) AND Foo", "unknown"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "copyleft"),
        ("Apache-2.0 WITH LLVM-exception", "permissive"),
        ("Foo OR (MIT AND Zlib)", "permissive"),
        ("MIT AND (Foo OR GPL-3.0-only)", "copyleft"),
        ("GPL-2.0", "copyleft"),
        ("gpl-2.0+", "copyleft"),
        ("MPL-2.0+", "copyleft"),
        ("Apache-2.0+", "permissive"),
        ("mit or foo", "permissive"),
        ("GPL-3.0-only WITH Foo-exception", "copyleft"),
        ("LLVM-exception", "unknown"),
        ("MIT AND LLVM-exception", "unknown"),
        ("OFL-1.1", "permissive"),
        ("SSPL-1.0", "copyleft"),
        ("CECILL-B", "permissive"),
        ("LicenseRef-BSD", "permissive"),
        ("한글", "unknown"),
    ],
)
def test_expressions_are_classified(expression, kind):
    assert classify(expression) == kind


BROKEN = (
    "MIT OR",
    "(MIT",
    "MIT)",
    "OR MIT",
    "MIT Apache-2.0",
    "MIT WITH",
    "WITH",
    "MIT/GPL-2.0",
    "()",
    "(" * 50_000,
)


@pytest.mark.parametrize("broken", BROKEN)
def test_an_invalid_expression_is_unknown_and_stays_unchanged(broken):
    assert classify(broken) == "unknown"
    assert normalize_expression(broken) == broken


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("apache-2.0  or\tgpl-3.0", "Apache-2.0 OR GPL-3.0-only"),
        ("LGPL-2.1+ with Classpath-exception-2.0", "LGPL-2.1-or-later WITH Classpath-exception-2.0"),
        ("((mit))", "MIT"),
        ("Foo and mit", "Foo AND MIT"),
        (" -- ", None),
    ],
)
def test_expressions_are_normalized(text, expression):
    assert normalize_expression(text) == expression


@pytest.mark.parametrize(
    ("text", "license"),
    [
        ("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007\n", "GPL-3.0-only"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n Version 2.1, February 1999\n", "LGPL-2.1-only"),
        ("Apache License\n Version 2.0, January 2004\n http://www.apache.org/licenses/\n", "Apache-2.0"),
        (
            "MIT License\n\nCopyright (c) 2020 Kim\n\nPermission is hereby granted, free of charge, to any person obtaining a copy",
            "MIT",
        ),
        ("Mozilla Public License Version 2.0\n", "MPL-2.0"),
        ("Ask the author first.\n", None),
    ],
)
def test_license_files(text, license):
    assert find_in_license_text(text) == license


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))).map("".join))
def test_any_text_is_classified(text):
    for license in (find_in_header(text), find_in_license_text(text), find_declared({"license": text})):
        assert (classify(license) == "none") == (license is None)


def test_the_record_overrides_the_repository(tmp_path):
    (tmp_path / "LICENSE").write_text("MIT License\n\nCopyright (c) 2020 Kim\n")
    meta = {"path": "src/a.py", "root": str(tmp_path), "license_file": "LICENSE"}
    assert find_declared(meta) == "MIT"
    assert find_declared({**meta, "licence": "ISC"}) == "ISC"
    assert find_declared({**meta, "license": ["MIT", "GPL-2.0"]}) == "MIT AND GPL-2.0-only"
    assert find_declared({"license": "apache-2.0 or gpl-3.0"}) == "Apache-2.0 OR GPL-3.0-only"
    several = find_declared({"license": ["MIT OR Apache-2.0", "GPL-3.0-only"]})
    assert several == "(MIT OR Apache-2.0) AND GPL-3.0-only" and classify(several) == "copyleft"
    assert find_declared({}) is None
    assert find_declared(json.loads('{"licence": null, "license": []}')) is None


def test_nothing_outside_of_the_root_is_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("MIT License\n\nCopyright")
    root = tmp_path / "root"
    root.mkdir()
    (root / "LICENSE").symlink_to(secret)
    for name in ("LICENSE", "../secret", str(secret)):
        with pytest.raises(DataError) as caught:
            find_in_repository(str(root), name)
        assert caught.value.rule == "license-file-outside-root" and str(root) in str(caught.value)


def test_a_missing_license_file_is_an_error(tmp_path):
    with pytest.raises(DataError) as caught:
        find_in_repository(str(tmp_path), "LICENSE")
    assert caught.value.rule == "unreadable-license-file"
    assert str(tmp_path / "LICENSE") in str(caught.value)
