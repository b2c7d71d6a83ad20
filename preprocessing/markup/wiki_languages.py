"""Names of languages for templates that show the name of a code: {{llang|fr|Paris}}, {{etyl|la|en}}.

Owns the codes, with the Korean and English names.
"""

from __future__ import annotations

_NAMES = """
ab 압하스어 Abkhaz  af 아프리칸스어 Afrikaans  am 암하라어 Amharic  an 아라곤어 Aragonese  ang 고대_영어 Old_English  ar 아랍어 Arabic
arc 아람어 Aramaic  ast 아스투리아스어 Asturian  ay 아이마라어 Aymara  az 아제르바이잔어 Azerbaijani  ba 바시키르어 Bashkir
be 벨라루스어 Belarusian  bg 불가리아어 Bulgarian  bn 벵골어 Bengali  bo 티베트어 Tibetan  br 브르타뉴어 Breton  bs 보스니아어 Bosnian
ca 카탈루냐어 Catalan  ce 체첸어 Chechen  ceb 세부아노어 Cebuano  co 코르시카어 Corsican  cs 체코어 Czech  cv 추바시어 Chuvash  cy 웨일스어 Welsh
da 덴마크어 Danish  de 독일어 German  el 그리스어 Greek  en 영어 English  enm 중세_영어 Middle_English  eo 에스페란토 Esperanto
es 스페인어 Spanish  et 에스토니아어 Estonian  eu 바스크어 Basque  fa 페르시아어 Persian  fi 핀란드어 Finnish  fo 페로어 Faroese
fr 프랑스어 French  frm 중세_프랑스어 Middle_French  fro 고대_프랑스어 Old_French  fy 서프리지아어 West_Frisian  ga 아일랜드어 Irish
gd 스코틀랜드_게일어 Scottish_Gaelic  gl 갈리시아어 Galician  gmh 중세_고지_독일어 Middle_High_German  goh 고대_고지_독일어 Old_High_German
got 고트어 Gothic  grc 고대_그리스어 Ancient_Greek  gu 구자라트어 Gujarati  ha 하우사어 Hausa  haw 하와이어 Hawaiian  he 히브리어 Hebrew
hi 힌디어 Hindi  hr 크로아티아어 Croatian  ht 아이티어 Haitian_Creole  hu 헝가리어 Hungarian  hy 아르메니아어 Armenian
id 인도네시아어 Indonesian  is 아이슬란드어 Icelandic  it 이탈리아어 Italian  ja 일본어 Japanese  jv 자와어 Javanese  ka 조지아어 Georgian
kk 카자흐어 Kazakh  km 크메르어 Khmer  kn 칸나다어 Kannada  ko 한국어 Korean  ku 쿠르드어 Kurdish  ky 키르기스어 Kyrgyz  la 라틴어 Latin
lb 룩셈부르크어 Luxembourgish  lo 라오어 Lao  lt 리투아니아어 Lithuanian  lv 라트비아어 Latvian  mg 말라가시어 Malagasy  mi 마오리어 Māori
mk 마케도니아어 Macedonian  ml 말라얄람어 Malayalam  mn 몽골어 Mongolian  mnc 만주어 Manchu  mr 마라티어 Marathi  ms 말레이어 Malay
mt 몰타어 Maltese  my 버마어 Burmese  nds 저지_독일어 Low_German  ne 네팔어 Nepali  nl 네덜란드어 Dutch  no 노르웨이어 Norwegian
nn 뉘노르스크 Nynorsk  nb 보크몰 Bokmål  non 고대_노르드어 Old_Norse  oc 오크어 Occitan  okm 중세_한국어 Middle_Korean  os 오세트어 Ossetian
pa 펀자브어 Punjabi  pl 폴란드어 Polish  ps 파슈토어 Pashto  pt 포르투갈어 Portuguese  qu 케추아어 Quechua  rm 로만슈어 Romansh
ro 루마니아어 Romanian  ru 러시아어 Russian  sa 산스크리트어 Sanskrit  sc 사르데냐어 Sardinian  sco 스코트어 Scots  se 북부_사미어 Northern_Sami
sh 세르보크로아트어 Serbo-Croatian  si 싱할라어 Sinhala  sk 슬로바키아어 Slovak  sl 슬로베니아어 Slovene  so 소말리아어 Somali
sq 알바니아어 Albanian  sr 세르비아어 Serbian  su 순다어 Sundanese  sv 스웨덴어 Swedish  sw 스와힐리어 Swahili  ta 타밀어 Tamil
te 텔루구어 Telugu  tg 타지크어 Tajik  th 태국어 Thai  tk 투르크멘어 Turkmen  tl 타갈로그어 Tagalog  tr 튀르키예어 Turkish
tt 타타르어 Tatar  ug 위구르어 Uyghur  uk 우크라이나어 Ukrainian  ur 우르두어 Urdu  uz 우즈베크어 Uzbek  vi 베트남어 Vietnamese
yi 이디시어 Yiddish  yue 광둥어 Cantonese  zh 중국어 Chinese  zu 줄루어 Zulu  gem-pro 게르만_조어 Proto-Germanic
ine-pro 인도유럽_조어 Proto-Indo-European   ML. 중세_라틴어 Medieval_Latin  LL. 후기_라틴어 Late_Latin
"""
_words = [word.replace("_", " ") for word in _NAMES.split()]
_LANGUAGES = dict(zip(_words[::3], zip(_words[1::3], _words[2::3], strict=True), strict=True))
_NO_LABELS = ("none", "no", "없음")


def language_name(code: str, korean: bool) -> str:
    """The Korean name of a language, or the English one on pages of other languages; empty for an unknown code."""
    names = _LANGUAGES.get(code.strip())
    return names[not korean] if names else ""


def labeled(code: str, text: str, label: str, korean: bool) -> str:
    """``text`` behind the name of its language, ``프랑스어: Paris``, or behind the label that the author chose."""
    name = label or language_name(code, korean)
    return f"{name}: {text}" if text and name and name not in _NO_LABELS else text
