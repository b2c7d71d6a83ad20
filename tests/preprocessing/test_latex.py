"""LaTeX as authors write it: headers of environments, own names, algorithms, lists, addresses and signs."""

from __future__ import annotations

import pytest

from preprocessing.markup.conversion import convert

CASES = {
    # headers of environments
    "\\begin{theorem}[피타고라스]\\label{thm:p}\n정리이다.\n\\end{theorem}": "**피타고라스.** 정리이다.",
    "\\begin{proof}[Proof of 1]\n증명.\n\\end{proof}": "**Proof of 1.** 증명.",
    "\\begin{figure}[htbp]\n\\caption{그림}\n\\end{figure}": "그림",
    "\\begin{enumerate}[가.]\n\\item 하나\n\\end{enumerate}": "1. 하나",
    "\\begin{frame}[fragile]{제목 $x$}\n본문\n\\end{frame}": "### 제목 $x$\n\n본문",
    "\\begin{frame}\n\\begin{block}{정의}\n내용\n\\end{block}\n\\end{frame}": "**정의**\n\n내용",
    "\\begin{itemize}\n\\item<1-> 하나\n\\item<2> 둘 \\only<1>{처음}\n\\end{itemize}": "- 하나\n- 둘 처음",
    "\\begin{tcolorbox}[\n  colback=red!5,\n  title={요약: 하나}\n]\n내용\n\\end{tcolorbox}": "**요약: 하나**\n\n내용",
    "\\begin{CJK}{UTF8}{mj}\n한글\n\\end{CJK}": "한글",
    "\\subfloat[원본]{\\includegraphics{a}}\n\\caption{결과}": "원본\n\n결과",
    "\\begin{longtable}{ll}\n\\caption{긴 표}\\\\\n항목 & 뜻 \\\\\n\\endfirsthead\n항목 & 뜻 \\\\\n\\endhead\n계속 & \\\\\n\\endfoot\n"
    "가 & 나 \\\\\n\\end{longtable}": "긴 표\n\n| 항목 | 뜻 |\n| --- | --- |\n| 가 | 나 |",
    "\\begin{thm}[피타고라스 $a^2+b^2=c^2$]\n정리이다.\n\\end{thm}": "**피타고라스 $a^2+b^2=c^2$.** 정리이다.",
    "\\begin{proof}[Case n=1]\n증명.\n\\end{proof}": "**Case n=1.** 증명.",
    "\\begin{thm}[label=가, unnumbered]\n정리이다.\n\\end{thm}": "정리이다.",
    "\\begin{상자2}\n내용\n\\end{상자2}": "내용",
    "\\begin{frame}{}\n본문 \\section{ }\n\\end{frame}": "본문",
    "\\begin{thm}[]\n정리이다.\n\\end{thm}\\begin{mybox}[상자]\n내용\n\\end{mybox}": "정리이다.\n\n**상자.** 내용",
    "\\begin{block}\n내용\n\\end{block}\\begin{tcolorbox}[\n  colback=red\n]\n상자\n\\end{tcolorbox}": "내용\n\n상자",
    "\\begin{tcolorbox}[title=요약]{짧은} 글\\end{tcolorbox}": "**요약**\n\n짧은 글",
    "\\begin{longtable}[c]{ll}\n\\caption{긴 표}\\label{t}\\tabularnewline\n항목 & 뜻 \\\\\n\\endhead\n계속 & \\\\\n\\endfoot\n끝 & \\\\\n\\endlastfoot\n"
    "가 & 나 \\\\\n\\end{longtable}": "긴 표\n\n| 항목 | 뜻 |\n| --- | --- |\n| 가 | 나 |",
    # an author's own names
    "\\newcommand{\\be}{\\begin{equation}}\\newcommand{\\ee}{\\end{equation}}\n\\be x_1 \\ee": "$$\nx_1\n$$",
    "\\bea a &= \\frac12 \\eea": "$$\n\\begin{align}\na &= \\frac12\n\\end{align}\n$$",
    "\\newcommand{\\itm}[1]{\\item #1}\\newenvironment{steps}{\\begin{enumerate}}{\\end{enumerate}}\n"
    "\\begin{steps}\n\\itm{하나}\n\\itm{둘}\n\\end{steps}": "1. 하나\n2. 둘",
    "\\newlist{mine}{enumerate}{2}\n\\begin{mine}\n\\item 하나\n\\end{mine}": "1. 하나",
    "\\begin{itemize}\n\\itm 하나\n\\itm 둘 \\emph{강조}\n\\end{itemize}": "- 하나\n- 둘 *강조*",
    "\\verb|\\be| \\be x \\ee\n\\begin{verbatim}\n\\newcommand{\\be}{\\begin{equation}}\n\\begin{itemize}\n\\itm 하나\n"
    "\\item[$\\bullet$]\n\\end{itemize}\n\\end{verbatim}": "`\\be`\n\n$$\nx\n$$\n\n```\n\\newcommand{\\be}{\\begin{equation}}\n\\begin{itemize}\n"
    "\\itm 하나\n\\item[$\\bullet$]\n\\end{itemize}\n```",
    "$\\be + 1$, $\\ben{a} \\een$, \\newenvironment{steps}[1]{\\textbf{#1}\\begin{enumerate}}{\\end{enumerate}}\n"
    "\\begin{steps}{차례}\n\\item 하나\n\\end{steps}": "$\\be + 1$, $\\ben{a} \\een$,\n\n1. 하나",
    # lists
    "\\begin{enumerate}\n\\setcounter{enumi}{3}\n\\item 넷\n\\item 다섯\n\\end{enumerate}": "4. 넷\n5. 다섯",
    "\\begin{enumerate}[start=7]\n\\item 일곱\n\\end{enumerate}": "7. 일곱",
    "\\begin{itemize}\n\\item 하나\n\n문단 $x$\n\\begin{verbatim}\na {b\n  c\n\\end{verbatim}\n\\end{itemize}\n뒤": "- 하나\n\n  문단 $x$\n\n"
    "  ```\n  a {b\n    c\n  ```\n\n뒤",
    "\\begin{questions}\n\\question 질문?\n\\begin{choices}\n\\choice 답\n\\end{choices}\n\\end{questions}": "1. 질문?\n\n   - 답",
    "\\begin{algorithmic}[1]\n\\Require $n$\n\\While{$n > 0$}\n  \\State $n \\gets n-1$\n  \\If{$n=1$}\n    \\State \\Return $n$\n  \\EndIf\n"
    "\\EndWhile\n\\end{algorithmic}": "- Require: $n$\n- while $n > 0$ do\n  - $n \\gets n-1$\n  - if $n=1$ then\n    - return $n$\n  - end if\n"
    "- end while",
    "\\begin{algorithmic}\n\\FOR{$i$}\n\\STATE 더한다\n\\ENDFOR\n\\RETURN 0\n\\end{algorithmic}": "- for $i$ do\n  - 더한다\n- end for\n- return 0",
    "\\begin{algorithmic}\n\\If{$a$ \\And \\Not$b$ \\OR \\Call{F}{x, \\Call{G}{y}}}\n\\State $c \\gets$ \\True \\Comment{주석 \\Call{H}{}}\n\\EndIf\n"
    "\\Repeat\n\\State 가 \\Return\n\\Until{$d$}\n\\end{algorithmic}": "- if $a$ and not $b$ or F(x, G(y)) then\n  - $c \\gets$ true (주석 H())\n- end if\n"
    "- repeat\n  - 가\n  - return\n- until $d$",
    "\\begin{algorithmic}\n\\Procedure{P}{$x$, y}\n\\If{a}\n\\ElsIf{b}\n\\State 나\n\\Else\n\\State 다\n\\EndIf\n\\EndProcedure\n"
    "\\Function{f}{}\n\\end{algorithmic}": "- procedure P($x$, y)\n  - if a then\n  - else if b then\n    - 나\n  - else\n    - 다\n  - end if\n- end procedure\n- function f()",
    "\\begin{algorithmic}\n\\EndIf\n\\Else\n\\State 가\n\\end{algorithmic} 뒤": "- 가\n\n뒤",
    "\\begin{itemize}\n\\item\n\\url{https://a.kr/}\n\\item[2008. 3.] 입학\n\\item[(가)] 첫째\n\\item[$\\bullet$] 점\n"
    "\\item[$x$] 변수\n\\item[--] 끝\n\\end{itemize}": "- https://a.kr/\n- 2008. 3. 입학\n- (가) 첫째\n- 점\n- $x$: 변수\n- 끝",
    # lines and signs
    "\\textbf{\\color{red} 쉬움} \\texttt{a\\textbf{b}c} 가\\tabto{1.2cm} 나 \\adjustbox{scale=2}{다}\\import{./}{a.tex}": (
        "**쉬움** `abc` 가 나 다"
    ),
    "\\url{https://a.kr/b%20c\\_d#e}를 보라. % 주석\n다음": "https://a.kr/b%20c_d#e를 보라. 다음",
    "\\href{https://a.kr/%EA%B0%80}{위키}를 참고하라.": "위키를 참고하라.",
    "첫 줄\\\\[1em]\n둘째 줄\\\\*\n셋째": "첫 줄\n\n둘째 줄\n\n셋째",
    "\\ang{45}, \\si{\\kilo\\gram}, \\unit{\\meter\\per\\second}": "45°, kilogram, meter/second",
    "\\SI{20}{\\percent}, \\qty{3}{\\kilo\\meter\\per\\hour}": "20 %, 3 kilometer/hour",
    "H\\textsubscript{2}O, log\\textsubscript{2}8, 10\\textsuperscript{9}": "H2O, log_2 8, 10^9",
    'Fran\\c{c}ois, Erd\\H{o}s, Ho\\v{r}ava, na\\"{\\i}ve': "François, Erdős, Hořava, naïve",
    "본문\\footnotetext{주석}과 \\marginpar{여백}": "본문 (주석)과 (여백)",
    "앞\n\\iffalse\n감춘 글\n\\fi\n뒤": "앞\n\n뒤",
    "\\iffalse 감춘 \\ifx 글 \\else 글 \\fi 도 \\else 보인 \\fi 뒤 \\iffalse 열린 글": "보인 뒤 열린 글",
    "`인용'과 ``인용''": "‘인용’과 “인용”",
    "C:\\textbackslash dir, a\\textunderscore b": "C:\\dir, a_b",
    "라고 한다~\\cite{kim}. 또 \\cite{lee}는": "라고 한다. 또 는",
    "    들여 쓴 줄의 수식 $x$": "들여 쓴 줄의 수식 $x$",
}


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_latex_as_authors_write_it(text: str, expected: str) -> None:
    converted = convert("latex", text)
    assert (
        "\n".join(
            line.replace("  ", " ") if "`" not in line and not line.startswith(" ") else line
            for line in converted.split("\n")
        )
        == expected
    )


def test_an_unclosed_algorithm_or_list_stays_text() -> None:
    assert "더한다" in convert("latex", "\\begin{algorithmic}\n\\State 더한다")
    assert "하나" in convert("latex", "\\begin{itemize}\n\\itm 하나")
