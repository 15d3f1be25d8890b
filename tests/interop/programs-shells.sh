#!/bin/bash
# ssh and sshd, node, nmap, dig, ping and traceroute on weft.
. tests/harness/programs.sh
need curl python3 sshd ssh scp ssh-keygen node nmap dig ping traceroute cmp
programs_begin sshd=openssh-server ssh=openssh-client scp=openssh-client node=nodejs nmap dig=bind9-dnsutils \
	ping=iputils-ping traceroute

head -c 20000000 /dev/urandom >"$DIR/www/file"

# --- ssh ------------------------------------------------------------------------------------------
made_run_sshd=
[ -d /run/sshd ] || made_run_sshd=yes
mkdir -p /run/sshd # where its child without privilege lives
ssh-keygen -q -t ed25519 -N '' -f "$DIR/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$DIR/user_key"
chmod 755 "$DIR"
sshd_conf() {
	cat >"$DIR/sshd_$1" <<-END
		ListenAddress $1:2222
		HostKey $DIR/host_key
		AuthorizedKeysFile $DIR/user_key.pub
		PidFile none
		StrictModes no
		UsePAM no
		Subsystem sftp internal-sftp
	END
	echo "$DIR/sshd_$1"
}
options=(-F /dev/null -i "$DIR/user_key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
	-o BatchMode=yes -o ConnectTimeout=10)
run_start sshd /usr/sbin/sshd -D -e -f "$(sshd_conf 0.0.0.0)"
sshd=$RUN
weft_listens 2222
answers() {
	answers_what=$1
	shift
	[ "$("$@" | tr -d '\r')" = "$answers_what" ]
}
works sshd 'command' answers over host timeout 20 ssh "${options[@]}" -p 2222 root@10.0.0.1 echo over
works sshd 'command, both ends' answers over run ssh "${options[@]}" -p 2222 root@127.0.0.1 echo over
# shellcheck disable=SC2016 # the far shell's
works sshd '-tt, both ends' answers over run ssh -tt "${options[@]}" -p 2222 root@10.0.0.1 'test -t 0 && echo over'
# shellcheck disable=SC2016
works sshd '-tt' answers over host timeout 20 ssh -tt "${options[@]}" -p 2222 root@10.0.0.1 'test -t 0 && echo over'
works sshd scp host timeout 20 scp -q "${options[@]}" -P 2222 "$DIR/www/file" "root@10.0.0.1:$DIR/copy"
works sshd 'scp, whole' cmp "$DIR/www/file" "$DIR/copy"
rm -f "$DIR/copy"
works scp 'both ends' run scp -q "${options[@]}" -P 2222 "$DIR/www/file" "root@127.0.0.1:$DIR/copy"
works scp 'both ends, whole' cmp "$DIR/www/file" "$DIR/copy"
# shellcheck disable=SC2016
works sshd 'sessions are on weft too' answers '10.0.0.1' host timeout 20 ssh "${options[@]}" -p 2222 root@10.0.0.1 \
	'set -- $SSH_CONNECTION; echo $3'

host_start http python3 -m http.server --bind 10.0.0.2 --directory "$DIR/www" 8000
http=$HOST
host_listens 8000
# forwarded PORT FETCH...: the -L of the ssh that was started just now
forwarded() {
	"$@" curl -sS --max-time 20 http://127.0.0.1:8100/file | cmp - "$DIR/www/file"
}
host_start forward ssh -N "${options[@]}" -p 2222 -L 8100:10.0.0.2:8000 root@10.0.0.1
host_listens 8100
works sshd '-L' forwarded host
host_stop
run_stop $sshd

host_start sshd /usr/sbin/sshd -D -e -f "$(sshd_conf 10.0.0.2)"
host_listens 2222
works ssh command answers over run ssh "${options[@]}" -p 2222 root@10.0.0.2 echo over
works ssh '-tt' answers over run ssh -tt "${options[@]}" -p 2222 root@10.0.0.2 'test -t 0 && echo over'
rm -f "$DIR/copy"
works scp 'upload' run scp -q "${options[@]}" -P 2222 "$DIR/www/file" "root@10.0.0.2:$DIR/copy"
works scp 'upload, whole' cmp "$DIR/www/file" "$DIR/copy"
rm -f "$DIR/copy"
works scp 'download' run scp -q "${options[@]}" -P 2222 "root@10.0.0.2:$DIR/www/file" "$DIR/copy"
works scp 'download, whole' cmp "$DIR/www/file" "$DIR/copy"
run_start forward ssh -N "${options[@]}" -p 2222 -L 8100:10.0.0.2:8000 root@10.0.0.2
weft_listens 8100
works ssh '-L' forwarded run
run_stop
host_stop
[ -z "$made_run_sshd" ] || rmdir /run/sshd

# --- node -----------------------------------------------------------------------------------------
cat >"$DIR/server.js" <<'END'
const http = require('http'), fs = require('fs')
http.createServer((q, r) => fs.createReadStream(process.argv[2]).pipe(r)).listen(8200)
END
cat >"$DIR/fetch.js" <<'END'
const want = require('fs').readFileSync(process.argv[3])
async function one() {
	const got = Buffer.from(await (await fetch(process.argv[2])).arrayBuffer())
	if (got.compare(want)) throw new Error(got.length + ' bytes')
}
async function all() {
	await Promise.all(Array.from({length: 10}, one))
	const refused = await fetch('http://10.0.0.2:9999/').catch(e => e.cause.code)
	if (refused != 'ECONNREFUSED') throw new Error(refused)
	process.exit(0)
}
all()
END
run_start node node "$DIR/server.js" "$DIR/www/file"
weft_listens 8200
works node 'http server' host bash -c "curl -sS --max-time 20 http://10.0.0.1:8200/ | cmp - '$DIR/www/file'"
works node 'fetch, both ends' run node "$DIR/fetch.js" http://127.0.0.1:8200/ "$DIR/www/file"
run_stop
works node fetch run node "$DIR/fetch.js" http://10.0.0.2:8000/file "$DIR/www/file"

# --- nmap -----------------------------------------------------------------------------------------
scanned() {
	run nmap -n -Pn -sT --unprivileged -p 7990-8010 10.0.0.2 >"$DIR/nmap" 2>&1
	grep -q '^8000/tcp *open' "$DIR/nmap" && [ "$(grep -c '/tcp *closed' "$DIR/nmap")" = 20 ]
}
works nmap '-sT' scanned
# scanned_both: a port with a server on weft between closed ones, by the stack's own address
scanned_both() {
	run nmap -n -Pn -sT --unprivileged -p 8190-8210 10.0.0.1 >"$DIR/nmap" 2>&1
	grep -q '^8200/tcp *open' "$DIR/nmap" && [ "$(grep -c '/tcp *closed' "$DIR/nmap")" = 20 ]
}
run_start nmapped node "$DIR/server.js" "$DIR/www/file"
weft_listens 8200
works nmap '-sT, both ends' scanned_both
run_stop
lacks nmap '-sS' run nmap -n -Pn -sS -p 8000 10.0.0.2

# --- dig ------------------------------------------------------------------------------------------
host_start dns python3 tests/harness/run_dns.py 10.0.0.2 10.0.0.7
host_listens 53
works dig 'UDP' answers 10.0.0.7 run dig @10.0.0.2 +short +tries=1 www.test
works dig '+tcp' answers 10.0.0.7 run dig @10.0.0.2 +short +tries=1 +tcp www.test
works dig 'NXDOMAIN' bash -c "timeout 20 '$WEFT' run --control '$DIR/control' -- dig @10.0.0.2 +tries=1 none.test | grep -q NXDOMAIN"
host_stop
run_start dns python3 tests/harness/run_dns.py 0.0.0.0 10.0.0.8
weft_listens 53
works dig 'UDP, both ends' answers 10.0.0.8 run dig @10.0.0.1 +short +tries=1 www.test
works dig '+tcp, both ends' answers 10.0.0.8 run dig @10.0.0.1 +short +tries=1 +tcp www.test
run_stop
host_stop $http

# --- ping, traceroute -----------------------------------------------------------------------------
works ping 'ICMP datagram sockets' run timeout 10 ping -c 1 -W 2 10.0.0.2
works ping 'itself, 127.0.0.1' run timeout 10 ping -c 1 -W 2 127.0.0.1
works ping '4000 bytes, 50 at once' run timeout 10 ping -f -c 50 -s 4000 -W 2 10.0.0.2
answers_with() {
	answers_with_what=$1
	shift
	"$@" 2>&1 | grep -q "$answers_with_what"
}
works ping '-M do, too long' answers_with 'message too long, mtu=1500' run timeout 10 ping -M 'do' -s 3000 -c 1 -W 1 10.0.0.2
works ping 'nobody there' answers_with 'Destination Host Unreachable' run timeout 10 ping -c 1 -W 5 10.0.0.9
# traced ADDRESS OPTIONS...: the first hop is the last
traced() {
	traced_to=$1
	shift
	run timeout 20 traceroute "$@" -n -m 2 -q 1 -w 2 "$traced_to" >"$DIR/trace" 2>&1 &&
		grep -q "^ *1  $traced_to " "$DIR/trace"
}
works traceroute UDP traced 10.0.0.2
works traceroute '-I' traced 10.0.0.2 -I
works traceroute '-T' traced 10.0.0.2 -T -p 9
works traceroute 'UDP, both ends' traced 10.0.0.1
works traceroute '-I, both ends' traced 10.0.0.1 -I
works traceroute '-T, both ends' traced 10.0.0.1 -T -p 9

programs_end
