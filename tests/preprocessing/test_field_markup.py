"""LaTeX, reStructuredText and wikitext as files from the field write them: nothing is lost, numbers stay."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.markup.conversion import latex_to_markdown, mediawiki_to_markdown, rst_to_markdown

CODE = "".join(sorted(set(string.printable) - set("|\n\r\x0b\x0c")))


@pytest.mark.parametrize(
    ("latex", "markdown"),
    [
        (r"앞 \verb|a%b| 뒤 % 주석", "앞 `a%b` 뒤"),
        ("앞 \\verb+\\begin{verbatim}+ 뒤\n\n끝", "앞 `\\begin{verbatim}` 뒤\n\n끝"),
        (r"\lstinline[language=C]!x = {1};! 과 \lstinline{z} 과 \mintinline{python}|y|", "`x = {1};` 과 `z` 과 `y`"),
        ("\\begin{verbatim}\n\\verb|x|\n\\end{verbatim}", "```\n\\verb|x|\n```"),
        ("\\begin{verbatim}\n  [0x21] ! [0x27]\n\\end{verbatim}", "```\n  [0x21] ! [0x27]\n```"),
        ("\\begin{lstlisting}[language=C,\n numbers=left]\na[0];\n\\end{lstlisting}", "```c\na[0];\n```"),
        ("\\begin{lstlisting}\n[0] = 가\n\\end{lstlisting}", "```\n[0] = 가\n```"),
        ("\\begin{lstlisting}[language={[x86masm]Assembler}, caption={정렬 \\texttt{a}, 둘}]\nx   y\n\\end{lstlisting}",
         "정렬 `a`, 둘\n\n```assembler\nx   y\n```"),
        ("\\begin{BVerbatim}[frame=single, label={a[1]},\n gobble=2]\nx   % y\n\\end{BVerbatim}", "```\nx   % y\n```"),
        ("\\begin{SaveVerbatim}{A}\nx   y\n\\end{SaveVerbatim}\\begin{tcblisting}{title=표}\n\\z\n\\end{tcblisting}", "```\nx   y\n```\n\n표\n\n```\n\\z\n```"),
        ("\\lstnewenvironment{code}{}{}\\begin{document}\\begin{code}\nx   % y\n\\end{code}\\end{document}", "```\nx   % y\n```"),
        (r"\verb|열린 채", "|열린 채"),
        (r"\textcolor{red}{빨강} \fcolorbox{a}{b}{글} \multirow{2}{*}{합계}", "빨강 글 합계"),
        (r"\href{http://a.kr}{링크} \ruby{漢字}{한자}", "링크 漢字(한자)"),
        (r"\SI{5}{km} \qty{3.5}{\kilo\metre\per\second} \SIrange{1}{5}{m}", "5 km 3.5 kilometre/second 1–5 m"),
        (r"앞\pagenumbering{arabic}\addcontentsline{toc}{chapter}{참고 문헌} \hyperlink{toc}{차례}\parencite[3]{kim} 뒤", "앞 차례 뒤"),
        (r"그림~\ref{a}\는 \bicaption{로고}{The logo}{a}이고 \hemph{글}{}은 \textbf{가}{나}, \emph{나는}\은", "그림 는 로고 The logo a이고 글은 **가**나, *나는*은"),
        (r"가 \textless{} 나 \rarr 다, 20\textdegree C, 값\textbar 값, \O re, \textmu m, $\O$, \LaTeX{} 글", r"가 < 나 → 다, 20°C, 값| 값, Øre, µm, $\O$, LaTeX 글"),
        (r"\newcommand{\degree}{도}3\degree", "3도"),
        (r"10\textsuperscript{9} H\textsubscript{2}O", "10^9 H2O"),
        (
            "\\begin{itemize}\n\\item 가\n\\begin{enumerate}\n  \\item 나\n  \\item 다 $x$\\end{enumerate}\n\\item 라\\end{itemize}\n\\item 마",
            "- 가\n\n  1. 나\n  2. 다 $x$\n- 라\n- 마",
        ),
        # commands of the document: only the ones that show all of their arguments are replaced
        ("\\newcommand{\\sys}{한글 시스템}\n\\sys{}은 \\sys 과 \\sys는 \\sysx $\\sys$ \\verb|\\sys|",
         "한글 시스템은 한글 시스템과 한글 시스템는  $한글 시스템$ `\\sys`"),
        ("\\newcommand\\eng[2]{#2(\\textit{#1})}\\def\\kr{한국\\xspace}\\eng{a}{가} \\kr 의", "가(*a*) 한국 의"),
        ("\\newcommand{\\todo}[1]{}\\renewcommand{\\textbf}[1]{#1!}\\def\\a{\\a}\\todo{할 일} \\textbf{나} \\a 다", "할 일 **나**  다"),
        # tables
        ("\\begin{tabular}{|p{3cm}|c|r|}\n\\hline\n이름 & 나이 & 값 \\\\ \\hline\n\\multicolumn{2}{|c|}{합계} & 3\\% \\\\[2pt]\n"
         "\\cmidrule(lr){1-2} 가 \\& 나 & \\makecell{두\\\\줄} & $x$\n\\end{tabular}",
         "| 이름 | 나이 | 값 |\n| --- | --- | --- |\n| 합계 |  | 3% |\n| 가 & 나 | 두 줄 | $x$ |"),
        ("앞\\begin{tabularx}{\\textwidth}{Xc}가 & \\begin{tabular}{c}나\\\\다\\end{tabular}\\\\라 & 마\\end{tabularx}뒤",
         "앞\n\n| 가 | 나 다 |\n| --- | --- |\n| 라 | 마 |\n\n뒤"),
        ("\\begin{tabular}{c}저자\\\\소속\\end{tabular}\\begin{minipage}[t]{0.5\\textwidth}글\\end{minipage}\\begin{tabular}{c}열린",
         "저자\n소속\n\n글\n\nc열린"),
        ("\\begin{frame}\\frametitle{제목}\\column{0.4\\textwidth}글\\begin{circuitikz}\\draw (0,0);\\end{circuitikz}\\end{frame}", "### 제목\n\n글"),
        ("\\begin{tabular}{cc}가 & 나\\\\$|x|$ & \\verb+a|b+\\\\\\[P(A|B)\\] & \\begin{equation}\na\n\\end{equation}\\end{tabular}",
         "| 가 | 나 |\n| --- | --- |\n| $\\|x\\|$ | `a\\|b` |\n| $$P(A\\|B)$$ | $$ a $$ |"),
        ("\\newtheorem{thm}{정리}[section]\\newtheorem*{lem}[thm]{보조정리}\\begin{thm}[피타고라스]\\label{t} $a$이다.\\end{thm}\n"
         "\\begin{lem}참이다.\\end{lem}\\begin{def}뜻\\end{def}",
         "**정리 (피타고라스).** $a$이다.\n\n**보조정리.** 참이다.\n\n뜻"),
        ("\\begin{description}\\item[\\textbf{들꽃}:] 산에 핀다.\\item[--] 끝\\end{description}", "- **들꽃**: 산에 핀다.\n- 끝"),
    ],
)  # fmt: skip
def test_latex_keeps_code_numbers_and_the_text_of_its_commands(latex, markdown):
    assert latex_to_markdown(latex) == markdown


@given(st.text(CODE, min_size=1, max_size=30))
def test_code_inside_a_line_of_latex_never_changes(code):
    text = latex_to_markdown(f"앞 \\verb|{code}| 뒤 문장")
    assert code in text
    assert text.startswith("앞 ") and text.endswith(" 뒤 문장")


@pytest.mark.parametrize(
    ("rst", "markdown"),
    [
        ("10\\ :sup:`9` 과 H\\ :sub:`2`\\ O", "10^9 과 H2O"),
        ("x\\ :superscript:`2`\\ 이다. ``<sup>9</sup>``", "x^2이다. `<sup>9</sup>`"),
        (".. csv-table:: 표\n   :header: 가, 나\n\n   1, \"둘, 셋\"\n   4\n",
         "표\n\n| 가 | 나 |\n| --- | --- |\n| 1 | 둘, 셋 |\n| 4 |  |"),
        (".. csv-table::\n   :delim: ;\n\n   가;a|b\n", "| 가 | a\\|b |\n| --- | --- |"),
        (f".. csv-table::\n\n   가,{'나' * 140_000}\n", f"| 가 | {'나' * 140_000} |\n| --- | --- |"),
        (".. list-table:: 값\n   :header-rows: 1\n\n   * - 가\n     - ``x``\n   * - 1\n     - 긴\n       문장\n   * -\n     - 3\n",
         "값\n\n| 가 | `x` |\n| --- | --- |\n| 1 | 긴 문장 |\n|  | 3 |"),
        (".. list-table::\n\n   * - 가\n\n       둘째 문단\n     - 나\n", "* - 가\n\n    둘째 문단\n  - 나"),
        # blocks of an item have its indentation
        ("- 글\n\n  ::\n\n     *\n\n     x\n\n  뒤\n\n밖::\n\n   y\n", "- 글\n\n  ```\n  *\n\n  x\n  ```\n\n  뒤\n\n밖:\n\n```\ny\n```"),
        ("1. 첫째::\n\n     a = 1\n\n2. 둘째\n\n   .. code-block:: sh\n\n      ls\n\n   .. note:: 글\n\n      둘\n\n   뒤\n",
         "1. 첫째:\n\n   ```\n   a = 1\n   ```\n\n2. 둘째\n\n   ```sh\n   ls\n   ```\n\n   **Note:** 글\n\n   둘\n\n   뒤"),
        ("- 가\n\n  - 나\n\n    .. code::\n\n       z\n\n  다::\n\n    w\n\n- 라::\n\n 밖\n\n.. note::\n\n   - 마\n\n     .. code::\n\n        q\n",
         "- 가\n\n  - 나\n\n    ```\n    z\n    ```\n\n  다:\n\n  ```\n  w\n  ```\n\n- 라:\n\n```\n밖\n```\n\n**Note:**\n\n- 마\n\n  ```\n  q\n  ```"),
        ("글이 길어\n한다. 보통은 이렇다::\n\n    x\n\n가.  항목::\n\n     y", "글이 길어\n한다. 보통은 이렇다:\n\n```\nx\n```\n\n가.  항목:\n\n    ```\n    y\n    ```"),
        ("+------+-----+\n|위로  |C-p  |\n+------+-----+\n\n|이름|\\ 은 |a b| 끝", "+------+-----+\n|위로  |C-p  |\n+------+-----+\n\n이름은 a b 끝"),
        # what describes programs, and definitions
        (".. rubric:: 준비\n\n글이다.", "**준비**\n\n글이다."),
        (".. autoclass:: 꽃\n   :members:\n\n다음", "다음"),
        (".. autoclass:: Flower\n   :members:\n\n   .. method:: pick()\n\n      꽃을 딴다.\n", "`Flower`\n\n`pick()`\n\n   꽃을 딴다."),
        (".. automodule:: garden\n   :members:\n\n   정원을 가꾸는 모듈이다.\n", "정원을 가꾸는 모듈이다."),
        (".. function:: sow()\n              sow_all(a)\n\n   씨를 뿌린다.", "`sow()`\n\n`sow_all(a)`\n\n씨를 뿌린다."),
        (".. note:: 함수 sow()는\n   pick() 뒤에 부른다.", "**Note:** 함수 sow()는\npick() 뒤에 부른다."),
        (".. class:: A\n\n   글\n\n   .. rubric:: 보기\n\n   .. autofunction:: b\n", "`A`\n\n글\n\n**보기**"),
        ("들꽃\n    산에 핀다.\n    \n    들에도 핀다.\n\n다음", "들꽃\n  산에 핀다.\n\n  들에도 핀다.\n\n다음"),
        ("들꽃\n    - 하나\n      이어짐\n\n    - 둘", "들꽃\n  - 하나\n    이어짐\n\n  - 둘"),
        ("들꽃\n\u3000 산에 핀다.\n\xa0들에도 핀다.", "들꽃\n\u3000 산에 핀다.\n\xa0들에도 핀다."),
        (".. raw:: html\n\n   <h2>꽃 심기</h2>\n   <p>봄에 <b>씨</b>를 뿌린다.</p>\n\n글", "## 꽃 심기\n\n봄에 씨를 뿌린다.\n\n글"),
        (".. raw:: html\n\n   <pre>가\n\n       <b>나</b>\n   </pre>\n", "```\n가\n\n    나\n```"),
        (".. raw:: html\n\n   <iframe src=\"a\"></iframe>\n\n.. raw:: latex\n\n   \\newpage\n\n글", "글"),
        ("- 들꽃\n\n    산에 핀다.", "- 들꽃\n\n    산에 핀다."),
        (".. grid:: 1 1 2 2\n   :gutter: 3\n\n   .. grid-item-card:: :octicon:`cpu;1.5em` 들꽃\n      :link: https://a.kr\n\n      산에 핀다.", "**들꽃**\n\n   산에 핀다."),
        (".. grid-item-card:: 들꽃\n   :link: a\n\n   :bdg-info:`봄` 산에 핀다.", "**들꽃**\n\n봄 산에 핀다."),
        (".. tab-set::\n\n   .. tab-item:: 서울\n      :sync: a\n\n      .. code-block:: sh\n\n         ls", "**서울**\n\n```sh\nls\n```"),
        ("글\n\n..\n\n   인용한 글\n\n..\n   주석", "글\n\n   인용한 글"),
        (".. note ::\n  산에 핀다.\n\n글", "**Note:**\n산에 핀다.\n\n글"),
        (".. code-block :: sh\n\n   ls", "```sh\nls\n```"),
        (".. customcarditem::\n   :header: 들꽃\n   :card_description: 산에 핀다.\n   :link: a.html", "**들꽃**\n\n산에 핀다."),
        (".. [#]\n   문자는 이렇다::\n\n       ! #\n\n   위와 *같다*.\n", "[^1]: 문자는 이렇다:\n\n    ```\n    ! #\n    ```\n\n    위와 *같다*."),
        (".. galleryitem:: a/flower.py\n   :intro: 산에 *늦게* 핀다.\n", "`a/flower.py`\n\n산에 *늦게* 핀다."),
        (".. container:: cards\n\n   산에 핀다.", "산에 핀다."),
        ("``:octicon:`cpu` ``는 그림이다.", "``:octicon:`cpu` ``는 그림이다."),
        ("역할은 ``:ref:`꽃``` 처럼, ``a`b`` 와 ``c`` 도", "역할은 `` :ref:`꽃` `` 처럼, ``a`b`` 와 `c` 도"),
        (".. toctree::\n   :caption: 처음 보는 ``꽃``\n\n   rose\n   들에 피는 꽃 <field>\n", "**처음 보는 `꽃`**\n\n- 들에 피는 꽃"),
        (".. toctree::\n   :hidden:\n\n   rose\n\n글", "글"),
        (".. card:: 들꽃\n   :intro: 산에 핀다.\n   :button_text: 더 보기\n   :link: a\n\n   글", "**들꽃**\n\n산에 핀다.\n\n더 보기\n\n글"),
        (".. grid:: 2\n\n   .. card:: 들꽃\n      :intro: 산에 핀다.\n\n      글", "**들꽃**\n\n산에 핀다.\n\n   글"),
    ],
)  # fmt: skip
def test_rst_keeps_powers_and_the_cells_of_tables(rst, markdown):
    assert rst_to_markdown(rst) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("E = {{math|''mc''<sup>2</sup>}}이다.", "E = $mc^{2}$이다."),
        ("{{색|red|빨강}}과 {{글씨 크게|큰}} 글씨, {{윗주|漢字|한자}}", "빨강과 큰 글씨, 漢字(한자)"),
        ("{{KOR}} 대표는 {{fb|JPN}}에 2–1로 이겼다.", "대한민국 대표는 일본에 2–1로 이겼다."),
        ("모스크바({{러시아어|Москва}})의 {{역명|서울}}", "모스크바(Москва)의 서울"),
        ("끝이다.{{POV}}{{토막글|지리}}", "끝이다."),
    ],
)  # fmt: skip
def test_wiki_templates_with_text_leave_no_holes(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown
