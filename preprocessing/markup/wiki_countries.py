"""Names of countries for templates that show a flag and a name: {{KOR}}, {{USA}}.

Owns the codes of ISO 3166-1 and of the International Olympic Committee, with the Korean names.
"""

from __future__ import annotations

_NAMES = """
AFG 아프가니스탄 ALB 알바니아 ALG 알제리 DZA 알제리 AND 안도라 ANG 앙골라 AGO 앙골라 ARG 아르헨티나 ARM 아르메니아 AUS 오스트레일리아
AUT 오스트리아 AZE 아제르바이잔 BHR 바레인 BAN 방글라데시 BGD 방글라데시 BLR 벨라루스 BEL 벨기에 BEN 베냉 BHU 부탄 BTN 부탄 BOL 볼리비아
BIH 보스니아_헤르체고비나 BOT 보츠와나 BWA 보츠와나 BRA 브라질 BUL 불가리아 BGR 불가리아 BUR 부르키나파소 CAM 캄보디아 KHM 캄보디아 CMR 카메룬
CAN 캐나다 CHI 칠레 CHL 칠레 CHN 중화인민공화국 COL 콜롬비아 CGO 콩고_공화국 COD 콩고_민주_공화국 CRC 코스타리카 CRI 코스타리카 CRO 크로아티아 HRV 크로아티아
CUB 쿠바 CYP 키프로스 CZE 체코 DEN 덴마크 DNK 덴마크 DOM 도미니카_공화국 ECU 에콰도르 EGY 이집트 ESA 엘살바도르 SLV 엘살바도르 ERI 에리트레아
EST 에스토니아 ETH 에티오피아 FIJ 피지 FIN 핀란드 FRA 프랑스 GAB 가봉 GEO 조지아 GER 독일 DEU 독일 GHA 가나 GBR 영국 GRE 그리스 GRC 그리스
GUA 과테말라 GTM 과테말라 GUI 기니 HAI 아이티 HTI 아이티 HKG 홍콩 HON 온두라스 HND 온두라스 HUN 헝가리 ISL 아이슬란드 IND 인도 INA 인도네시아 IDN 인도네시아
IRI 이란 IRN 이란 IRQ 이라크 IRL 아일랜드 ISR 이스라엘 ITA 이탈리아 CIV 코트디부아르 JAM 자메이카 JPN 일본 JOR 요르단 KAZ 카자흐스탄 KEN 케냐
KOR 대한민국 PRK 조선민주주의인민공화국 KUW 쿠웨이트 KWT 쿠웨이트 KGZ 키르기스스탄 LAO 라오스 LAT 라트비아 LVA 라트비아 LIB 레바논 LBN 레바논 LBR 라이베리아
LBA 리비아 LBY 리비아 LIE 리히텐슈타인 LTU 리투아니아 LUX 룩셈부르크 MAC 마카오 MAD 마다가스카르 MDG 마다가스카르 MAS 말레이시아 MYS 말레이시아 MDV 몰디브
MLI 말리 MLT 몰타 MEX 멕시코 MDA 몰도바 MON 모나코 MCO 모나코 MGL 몽골 MNG 몽골 MNE 몬테네그로 MAR 모로코 MOZ 모잠비크 MYA 미얀마 MMR 미얀마
NAM 나미비아 NEP 네팔 NPL 네팔 NED 네덜란드 NLD 네덜란드 NZL 뉴질랜드 NCA 니카라과 NGR 나이지리아 NGA 나이지리아 MKD 북마케도니아 NOR 노르웨이
OMA 오만 OMN 오만 PAK 파키스탄 PLE 팔레스타인 PSE 팔레스타인 PAN 파나마 PNG 파푸아뉴기니 PAR 파라과이 PRY 파라과이 PER 페루 PHI 필리핀 PHL 필리핀
POL 폴란드 POR 포르투갈 PRT 포르투갈 PUR 푸에르토리코 QAT 카타르 ROU 루마니아 ROM 루마니아 RUS 러시아 RWA 르완다 SMR 산마리노 KSA 사우디아라비아 SAU 사우디아라비아
SEN 세네갈 SRB 세르비아 SGP 싱가포르 SIN 싱가포르 SVK 슬로바키아 SLO 슬로베니아 SVN 슬로베니아 RSA 남아프리카_공화국 ZAF 남아프리카_공화국 ESP 스페인 SRI 스리랑카
LKA 스리랑카 SUD 수단 SDN 수단 SUI 스위스 CHE 스위스 SWE 스웨덴 SYR 시리아 TPE 중화_타이베이 TWN 중화민국 TJK 타지키스탄 TAN 탄자니아 TZA 탄자니아
THA 태국 TLS 동티모르 TOG 토고 TUN 튀니지 TUR 튀르키예 TKM 투르크메니스탄 UGA 우간다 UKR 우크라이나 UAE 아랍에미리트 ARE 아랍에미리트 USA 미국 URU 우루과이
URY 우루과이 UZB 우즈베키스탄 VAT 바티칸_시국 VEN 베네수엘라 VIE 베트남 VNM 베트남 YEM 예멘 ZAM 잠비아 ZMB 잠비아 ZIM 짐바브웨 ZWE 짐바브웨
URS 소련 YUG 유고슬라비아 FRG 서독 GDR 동독 TCH 체코슬로바키아 ENG 잉글랜드 SCO 스코틀랜드 WAL 웨일스 NIR 북아일랜드
"""
_words = _NAMES.split()
COUNTRIES = dict(zip(_words[::2], (name.replace("_", " ") for name in _words[1::2]), strict=True))


COUNTRY_NAMES = frozenset(
    (
        *COUNTRIES.values(),
        "중국",
        "북한",
        "타이완",
        "러시아 제국",
        "소비에트 연방",
        "일본 제국",
        "대한제국",
        "조선",
    )
)


def country_name(code: str, korean: bool) -> str:
    """The Korean name of a country, or its code on pages of other languages; empty for what is not a code."""
    return (COUNTRIES[code] if korean else code) if code in COUNTRIES else ""
