"""Documents of what pages say around their content are dropped; text about such pages is kept."""

import pyarrow as pa
import pytest

from preprocessing.config.rules import FilterConfig
from preprocessing.documents import DOCUMENT
from preprocessing.judging import page_parts, rules
from preprocessing.steps.measure import measure_batch

BAD = [
    "이 사이트는 쿠키를 사용합니다. 계속 이용하시면 쿠키 사용에 동의하는 것으로 간주합니다. 쿠키 정책 보기 필수 쿠키 광고 쿠키 모두 수락 모두 거부 저장",
    "회사소개 이용약관 개인정보처리방침 이메일무단수집거부 고객센터 광고문의 Copyright © 2024 새벽신문. All rights reserved. 무단전재 금지",
    "404 Not Found 페이지를 찾을 수 없습니다. 요청하신 페이지가 삭제되었거나 주소가 변경되었습니다. 홈으로 이동 이전 페이지로",
    "아이디 비밀번호 로그인 아이디 저장 아이디 찾기 비밀번호 찾기 회원가입 네이버로 로그인 카카오로 로그인 비회원 주문조회",
    "공유하기 페이스북 트위터 카카오톡 URL복사 인쇄 스크랩 글자크기 크게 작게 좋아요 0 싫어요 0 댓글 0",
    "500 Internal Server Error\n일시적인 오류가 발생했습니다.\n잠시 후 다시 시도해 주세요. 문제가 계속되면 고객센터로 문의해 주시기 바랍니다.\n"
    "페이지가 5초 후 자동으로 이동합니다. 이동하지 않으면 여기를 클릭하세요.\n[새로고침] [홈으로 이동]\nError Code: 500\nRequest ID: 7d11",
    "로그인\n이메일\n비밀번호\n로그인 상태 유지\n비밀번호를 5회 이상 잘못 입력하시면 로그인이 제한되며 본인 확인을 거쳐야 다시 이용하실 수 있습니다.\n"
    "네이버로 로그인\n구글로 로그인\n비밀번호 찾기\n회원가입\n아직 회원이 아니신가요? 지금 가입하고 할인 쿠폰을 받으세요.",
    "404 Not Found\n요청하신 페이지를 찾을 수 없습니다.\n홈으로 가기",
    "회사소개 이용약관 개인정보처리방침 이메일무단수집거부 찾아오시는길",
    "함께 본 상품\n최근 본 상품\n장바구니 담기\n바로 구매\n상품 문의 0\n상품 후기 0\n배송/교환/반품 안내\n찜하기",
]
GOOD = [
    "아이디를 잊으셨다면 로그인 화면에서 아이디 찾기를 누르고 본인 인증을 하세요. 비밀번호 찾기는 아이디를 먼저 적어야 합니다. 문자가 오지 않으면 스팸함을 확인해 주세요.",
    "회원 가입을 했는데 로그인이 안 돼요. 비밀번호 찾기를 눌러도 메일이 안 옵니다. 어떻게 해야 하나요?",
    "회사는 맞춤 서비스를 제공하기 위해 쿠키를 사용합니다. 쿠키는 웹사이트가 브라우저에 보내는 작은 정보입니다. 이용자는 브라우저 설정에서 쿠키를 거부할 수 있습니다.",
    "400 Bad Request: 요청이 잘못되었다.\n401 Unauthorized: 로그인이 필요하다.\n403 Forbidden: 권한이 없다.\n404 Not Found: 찾을 수 없다.\n"
    "500 Internal Server Error: 서버에 문제가 생겼다.\n502 Bad Gateway: 중간 서버가 잘못된 응답을 받았다.",
    "홈 | 로그인 | 회원가입 | 장바구니 | 사이트맵\n\n욕실 거울의 얼룩은 식초와 물을 같은 양으로 섞어 닦으면 깨끗해집니다. 마른 수건으로 한 번 더 문지르면 물 자국이 남지 않습니다.\n\n"
    "이전글 | 목록 | 다음글\n이용약관 | 개인정보처리방침 | 이메일무단수집거부",
    "태조 1392~1398\n정종 1398~1400\n태종 1400~1418\n세종 1418~1450\n문종 1450~1452\n단종 1452~1455\n세조 1455~1468\n예종 1468~1469",
    "로그인이 안 될 때\n1. 아이디 저장을 끄고 다시 입력해 보세요.\n2. 비밀번호 찾기로 새 비밀번호를 만드세요.\n3. 자동 로그인을 해제하고 브라우저를 다시 시작하세요.\n"
    "4. 그래도 안 되면 회원가입 때 쓴 메일 주소를 들고 고객센터에 전화하세요.",
    "쿠키 배너를 없애는 법\n브라우저 확장을 깔면 모두 거부 단추를 대신 눌러 준다. 설정에서 필수 쿠키만 남기고 광고 쿠키와 분석 쿠키를 끄면 된다. 사이트에 따라 로그인이 풀리기도 한다.",
    "회원가입 화면 기획서\n- 버튼: 회원가입, 아이디 찾기, 비밀번호 찾기\n- 카카오 로그인과 네이버 로그인을 첫 줄에 놓는다.\n- 자동 로그인은 기본으로 꺼 둔다. 함께 쓰는 컴퓨터가 많기 때문이다.",
    "쿠키를 허용하는 방법을 알려 드릴게요. 크롬의 설정에서 쿠키 설정으로 들어가세요. 모든 쿠키 허용을 고르고 새로고침을 하면 로그인 상태 유지가 다시 될 거예요.",
    "구글로 로그인을 하면 비밀번호를 외우지 않아도 돼요. 애플 로그인은 메일을 숨길 수 있어요. 자동 로그인은 끄고, 아이디 저장도 하지 마세요.",
    "## 할 일\n- [x] 회원가입\n- [x] 자동 로그인\n- [ ] 아이디 찾기\n- [ ] 비밀번호 재설정\n- [ ] 댓글 화면",
    "## v1.2.0\n- 구글 로그인 추가\n- 페이지를 찾을 수 없음 화면 추가\n- 더 보기 버튼 추가\n- 최신순, 인기순 정렬\n- 공유하기 오류 고침",
    "feat: 회원가입 페이지\nfeat: 아이디 찾기 페이지\nfeat: 비밀번호 찾기 페이지\nfix: 로그인 유지 안 되는 문제\nstyle: 더보기 버튼",
    "역할 분담\n철수 - 회원가입, 아이디 찾기\n영희 - 이용약관, 개인정보처리방침\n민수 - 검색, 인기순 정렬\n지영 - 댓글 알림 설정",
    "번역 파일\n회원가입 = Sign up\n로그인 유지 = Keep me signed in\n비밀번호 찾기 = Forgot password\n더보기 = More\n공유하기 = Share",
    "회원가입, 아이디 찾기, 비밀번호 찾기는 오늘까지 그려서 보내기",
    "경찰은 불법 스포츠토토와 바카라 도박 사이트를 운영한 혐의로 12명을 구속했다. 이들은 첫충, 꽁머니 같은 은어로 회원을 모은 것으로 조사됐다.",
]
OTHERS = {
    "강남맛집 강남술집 강남카페 강남데이트 강남점심 강남회식 강남고기집 강남횟집 강남파스타 강남스시 강남룸술집 강남브런치 강남모임": "listed_words",
    "지금 가입하시면 첫충 50% 보너스! 안전놀이터에서 즐기세요. 먹튀 없는 카지노, 빠른 환전. 가입코드를 넣고 포인트를 받으세요. 바카라, 슬롯머신, 스포츠토토.": "spam",
    "ㅋㅋㅋ ㅋㅋㅋ ㅎㅎㅎ ㅋㅋㅋ ㅎㅎㅎ ㅋㅋㅋ ㅋㅋㅋ ㅎㅎㅎ ㅋㅋㅋ ㅋㅋㅋ ㅎㅎ": "hangul_ratio",
}


def reason_of(text):
    row = {"id": "a", "text": text, "source": "a", "lang": "ko", "meta": "{}"}
    batch = measure_batch(pa.RecordBatch.from_pylist([row], schema=DOCUMENT))
    return rules.find_reasons(batch, FilterConfig())[0]


@pytest.mark.parametrize("text", BAD)
def test_a_document_of_nothing_but_parts_of_a_page_is_dropped(text):
    assert reason_of(text) == "page_parts"
    assert (
        reason_of(f"{'이 글은 산에 사는 새와 그 둥지를 오래 지켜본 기록이다. ' * 40}{text}") != "page_parts"
    )


@pytest.mark.parametrize("text", GOOD)
def test_a_document_about_such_pages_is_kept(text):
    assert reason_of(text) is None


@pytest.mark.parametrize("text", OTHERS)
def test_keywords_of_one_beginning_advertising_without_contact_and_laughter_alone_are_dropped(text):
    assert reason_of(text) == OTHERS[text]


def test_different_phrases_are_counted_and_codes_of_errors_are_one():
    column = pa.array(
        [
            "회원가입 회원가입 아이디 찾기",
            "404 Not Found 403 Forbidden",
            "",
            "회원가입" * 600,
            "To sign in with a password you forgot, click forgot password and wait. "
            "Remember me keeps you logged in. See the privacy policy for details.",
        ],
        pa.large_string(),
    )
    assert page_parts.count(column).to_pylist() == [2, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            "상호 메밀밭 김들깨 사업자등록번호 123-45-67890 통신판매업신고 2020-서울 개인정보처리방침 이용약관 청소년보호정책 "
            "Copyright 메밀밭 All rights reserved",
            6,
        ),
        ("- [ ] 회원가입\n- [ ] 로그인 상태 유지\n- [ ] 비밀번호 찾기\n- [x] 자동 로그인", 0),
        ("회원가입\n로그인 상태 유지\n비밀번호 찾기\n자동 로그인", 4),
        ("404 Not Found\n홈으로 이동\n관리자에게 문의\n들깨 메밀", 0),
    ],
)
def test_imprints_need_no_menu_and_boxes_and_other_words_make_a_list(text, phrases):
    assert page_parts.count(pa.array([text], pa.large_string())).to_pylist() == [phrases]
