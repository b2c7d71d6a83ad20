"""Korean labels for reasons, changes, kinds of personal data and steps on the page about the data."""

_GRAMS = {
    **{f"top_{n}_gram": f"최다 {n}-그램" for n in (2, 3, 4)},
    **{f"duplicate_{n}_gram": f"반복 {n}-그램" for n in range(5, 11)},
}
KOREAN = {
    # personal data
    "rrn": "주민등록번호", "passport": "여권번호", "driver": "운전면허번호", "phone": "전화번호", "card": "카드번호",
    "account": "계좌번호", "email": "이메일", "ip": "IP 주소", "secret": "비밀번호·키",
    # changes
    "control": "보이지 않는 문자", "full_width": "전각 문자", "nfc": "유니코드 정규화", "stray_jamo": "홀로 남은 자모",
    "typed_jamo": "풀어 쓴 자모", "squeeze": "반복 문자", "whitespace": "공백", "html": "HTML", "mediawiki": "위키 문법", "namumark": "나무마크",
    "latex": "LaTeX", "rst": "reStructuredText", "asciidoc": "AsciiDoc", "notebook": "주피터 노트북", "org": "Org 모드", "po": "번역 카탈로그(PO)", "mojibake": "깨진 글자", "embedded_data": "내장 데이터", "boilerplate": "정형 문구",
    "frequent_lines": "여러 문서에 반복되는 줄", "main_content": "본문 추출", "unexplained": "원인을 알 수 없는 변경",
    # reasons
    "too_short": "너무 짧음", "too_long": "너무 김", "too_few_words": "단어 부족", "too_many_words": "단어 과다",
    "lorem": "더미 텍스트", "broken_jamo": "깨진 자모", "spam": "광고", "page_parts": "본문 없는 화면", "symbol_ratio": "기호 비율",
    "hangul_ratio": "한글 비율", "language": "언어", "bullet_lines": "글머리 기호 줄", "ellipsis_lines": "말줄임표 줄",
    "short_lines": "짧은 줄", "ended_lines": "끝맺지 않은 줄", "newline_ratio": "줄바꿈 비율", "repeated_lines": "반복 줄 분량",
    "duplicate_lines": "중복 줄", "duplicate_paragraphs": "중복 문단", "duplicate_paragraph_characters": "중복 문단 분량",
    "repeated_words": "반복 단어열", "repeated_pair": "키워드 반복", "echoed_words": "한 줄 안의 단어 반복", "listed_words": "단어 나열", "few_function_words": "문법 없는 단어열", "link_lines": "링크 줄",
    "number_lines": "숫자 줄", "rare_hangul": "드문 음절", "letter_ratio": "문자 비율", "no_sentence_end": "문장 종결 부족", "word_length": "단어 길이",
    "unbroken": "띄어쓰기 없음", "alphabetic_words": "글자 없는 단어", "stop_words": "불용어 부족", **_GRAMS,
    "too_many_lines": "줄 수 초과", "generated": "자동 생성 코드", "minified": "압축된 코드", "long_lines": "긴 줄",
    "mean_line_length": "평균 줄 길이", "data_file": "데이터 파일", "alphabetic_ratio": "글자 비율",
    "alphanumeric_ratio": "글자·숫자 비율", "encoded_data": "인코딩된 데이터", "few_comments": "주석 부족",
    "many_comments": "주석 과다", "secrets": "비밀번호·키 노출", "license": "라이선스", "exact_duplicate": "완전 중복",
    "near_duplicate": "유사 중복", "contaminated": "평가 데이터 오염", "no_domain": "해당 도메인 없음",
    "domain_full": "도메인 용량 초과", "empty": "빈 문서",
    # steps
    "read": "읽기", "kept": "유지", "clean": "정제", "lines": "반복 줄 제거", "filter": "규칙 필터링",
    "deduplicate": "중복 제거", "balance": "도메인 배분",
}  # fmt: skip
