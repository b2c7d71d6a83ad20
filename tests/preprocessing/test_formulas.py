"""Formulas of HTML become the LaTeX of their author, or that of their MathML: no exponent, fraction or root is lost."""

import pytest

from preprocessing.markup.conversion import convert
from preprocessing.markup.mathml import mathml_to_latex
from preprocessing.readers.web_pages import convert_page


def katex(latex, display=False):
    drawn = (
        '<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>x</mi></mrow>'
        f'<annotation encoding="application/x-tex">{latex}</annotation></semantics></math></span>'
        '<span class="katex-html" aria-hidden="true"><span class="base"><span class="mord">x</span></span></span></span>'
    )
    return f'<span class="katex-display">{drawn}</span>' if display else drawn


MATHML = "<math><msup><mi>x</mi><mn>2</mn></msup></math>"
FORMULAS = [
    (
        '<p><mjx-container><mjx-assistive-mml><math><mi>x</mi></math></mjx-assistive-mml>'
        '<span class="no-mathjax mjx-copytext">$(1 < x)$</span></mjx-container>와 <math><mi>x</mi><mo><</mo><mi>y</mi></math>이다.</p>',
        "$(1 < x)$와 $x < y$이다.",
    ),
    (f"값 {katex('x^2')}이다.", "값 $x^2$이다."),
    (f"값 {katex('a &lt; b &amp; c')}이다.", "값 $a < b & c$이다."),
    (f"앞{katex('x = 1', display=True)}뒤", "앞\n$$x = 1$$\n뒤"),
    (f"<p>값 {MATHML}이다.</p>", "값 $x^2$이다."),
    (f'<p>앞</p><math display="block">{MATHML[6:]}<p>뒤</p>', "앞\n\n$$x^2$$\n\n뒤"),
    ('<p>값 <math alttext="x^{2}"><mi>x</mi></math>이다.</p>', "값 $x^{2}$이다."),
    (
        '<p>값 <mjx-container class="MathJax" jax="CHTML"><mjx-math aria-hidden="true"><mjx-mi><mjx-c class="mjx-c1D465"></mjx-c></mjx-mi>'
        f'</mjx-math><mjx-assistive-mml display="inline">{MATHML}</mjx-assistive-mml></mjx-container>이다.</p>',
        "값 $x^2$이다.",
    ),
    (
        '<p>값 <mjx-container class="MathJax"><mjx-math aria-hidden="true"><mjx-c></mjx-c></mjx-math>'
        f'<mjx-assistive-mml>{MATHML}</mjx-assistive-mml><span class="no-mathjax mjx-copytext">$K &lt; 3$</span></mjx-container>이다.</p>',
        "값 $K < 3$이다.",
    ),
    (
        '<p>값 <mjx-container class="MathJax" jax="SVG"><svg><g data-mml-node="math"><g data-mml-node="msubsup"><g data-mml-node="mi">'
        '<path data-c="1D465" d="M1"></path></g><g data-mml-node="mn" transform="translate(600,363) scale(0.7)"><use data-c="32"></use></g>'
        '<g data-mml-node="mi" transform="translate(600,-247) scale(0.7)"><path data-c="1D456"></path></g></g></g></svg></mjx-container>이다.</p>',
        "값 $x_i^2$이다.",
    ),
    (
        '<p>값 <span class="MathJax_Preview"></span><span class="MathJax" data-mathml="&lt;math&gt;"><nobr>x2</nobr></span>'
        '<script type="math/tex" id="m1">x^2 \\le a < b</script>이다.</p>',
        "값 $x^2 \\le a < b$이다.",
    ),
    (
        '<p>앞</p><script type="math/tex; mode=display">% <![CDATA[\nx % 설명\n= 1 %]]></script><p>뒤</p>',
        "앞\n\n$$x = 1$$\n\n뒤",
    ),
    (
        '<p>값 <span class="MathJax" data-mathml="&lt;math&gt;&lt;msqrt&gt;&lt;mi&gt;x&lt;/mi&gt;&lt;/msqrt&gt;&lt;/math&gt;"><nobr>x</nobr></span>이다.</p>',
        "값 $\\sqrt{x}$이다.",
    ),
    (
        '<p>값 <span class="mwe-math-element"><span style="display: none;"><math><semantics><mi>x</mi><annotation encoding="application/x-tex">'
        '{\\displaystyle x^{2}}</annotation></semantics></math></span><img src="a.svg" class="mwe-math-fallback-image" alt="{\\displaystyle x^{2}}"></span>이다.</p>',
        "값 $x^{2}$이다.",
    ),
    ('<p>값 <img src="https://s0.wp.com/latex.php?latex=x%5E2&bg=ffffff" alt="x^2" class="latex">이다.</p>', "값 $x^2$이다."),
    ('<p>값 <img src="https://latex.codecogs.com/svg.latex?\\large&space;x^2">이다.</p>', "값 $x^2$이다."),
    ('<p>값 <img src="https://latex.codecogs.com/svg.latex?a&plus;b+c">이다.</p>', "값 $a+b+c$이다."),
    ('<p>값 <img class="mwe-math-fallback-image-inline" alt="{\\displaystyle a+b}" src="x.svg">이다.</p>', "값 $a+b$이다."),
    ('<p>값 <img src="https://render.githubusercontent.com/render/math?math=x%2By">이다.</p>', "값 $x+y$이다."),
]  # fmt: skip


@pytest.mark.parametrize(("html", "expected"), FORMULAS)
def test_a_formula_is_its_latex_in_documents_and_pages(html, expected):
    around = (
        "<h1>제목</h1>\n<p>이 글은 수식이 있는 긴 문장으로 시작한다.</p>\n",
        "\n<p>이 글은 수식이 없는 긴 문장으로 끝난다.</p>",
    )
    page = (
        f"<html><head><title>제목</title></head><body><main>{around[0]}{html}{around[1]}</main></body></html>"
    )
    lines = [line for line in expected.split("\n") if line]
    for text in (
        convert("html", around[0] + html + around[1]),
        convert("html", page),
        convert_page(page.encode(), "utf-8", "blocks")[0],
    ):
        assert [line for line in text.split("\n") if line][2:-1] == lines


@pytest.mark.parametrize(
    ("mathml", "latex"),
    [
        ("<mi>x</mi><mo>=</mo><mfrac><mn>1</mn><mn>2</mn></mfrac>", "x = \\frac{1}{2}"),
        ("<mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac>", "{n \\atop k}"),
        ("<mo>-</mo><mi>x</mi><mo>+</mo><mn>1</mn>", "-x + 1"),
        ("<msup><mn>10</mn><mn>-9</mn></msup>", "10^{-9}"),
        ("<msup><mrow><mo>(</mo><mi>a</mi><mo>)</mo></mrow><mn>2</mn></msup>", "(a)^2"),
        ("<msup><mi>f</mi><mo>&#x2032;</mo></msup><mo>&#x2061;</mo><mi>x</mi>", "f'x"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", "\\sqrt[3]{x}"),
        ("<mi>sin</mi><mi>x</mi><mi>log</mi><mo>(</mo><mi>y</mi><mo>)</mo>", "\\sin x\\log (y)"),
        ("<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>", "∑_{i = 1}^n"),
        ("<munder><mi>lim</mi><mi>n</mi></munder>", "\\lim_n"),
        ("<mover><mi>x</mi><mo>^</mo></mover><mover><mi>y</mi><mo>¯</mo></mover>", "\\hat{x}\\overline{y}"),
        ("<munder><mi>x</mi><mtext>최소</mtext></munder>", "\\underset{\\text{최소}}{x}"),
        ("<mi mathvariant='double-struck'>R</mi><mi>넓이</mi><mi>abc</mi>", "\\mathbb{R}\\text{넓이}\\mathrm{abc}"),
        ("<mfenced open='[' close=']'><mi>a</mi><mi>b</mi></mfenced>", "[a, b]"),
        ("<mmultiscripts><mi>X</mi><mi>b</mi><none/><mprescripts/><mi>a</mi><none/></mmultiscripts>", "{}_aX_b"),
        (
            "<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd></mtr></mtable>",
            "\\begin{matrix} 1 & 2 \\\\ 3 \\end{matrix}",
        ),
        ("<mml:msub><mml:mi>x</mml:mi><mml:mn>1</mml:mn></mml:msub>", "x_1"),
        ("<mn>5</mn><mo>%</mo><mo>{</mo>", "5\\%\\{"),
        ("<mphantom><mi>x</mi></mphantom>", ""),
        ("<msup><mi>x</mi>", "x"),
        ("<mrow>" * 500 + "<mi>x</mi>" + "</mrow>" * 500, ""),
    ],
)  # fmt: skip
def test_mathml_keeps_its_structure(mathml, latex):
    assert mathml_to_latex(mathml) == latex


@pytest.mark.parametrize(
    "text",
    [
        "태그 `<math>`는 수식이다. KaTeX와 latex를 쓴다.",
        "<p>수식이 없는 <math>x</math>와 <span class='katex-error'>y</span> <img src='latex.png' alt='그림'></p>",
        "```html\n<math><mi>x</mi></math>\n```",
        '<span class="katex">끝나지 않는 글',
    ],
)
def test_what_is_no_formula_stays(text):
    assert convert("html", f"글\n\n{text}") == convert("html", f"글\n\n{text}".replace("katex", "other"))


def test_annotations_that_never_end_cost_time_in_proportion_to_their_number():
    text = "<math>" + '<annotation encoding="TeX">x' * 50_000 + "</math>"
    assert isinstance(convert("html", f"<p>글 {text}</p>"), str)
