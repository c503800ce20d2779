U="setpriv --reuid=12345 --regid=12345 --clear-groups"
V="setpriv --reuid=777 --regid=777 --clear-groups"
C="python -m transfer store show"
I=/opt/t/data/red/0.jpg
echo "== store show"; HOME=/ $U $C; 
echo "== symlink at the place"; rm -rf /tmp/*; mkdir -m 777 /tmp/evil; $V ln -s /tmp/evil /tmp/transfer-12345; HOME=/ $U $C; ls -A /tmp/evil
echo "== other owner"; rm -rf /tmp/*; $V mkdir -m 777 /tmp/transfer-12345; HOME=/ $U $C; 
echo "== own, but open to all"; rm -rf /tmp/*; $U mkdir -m 755 /tmp/transfer-12345; HOME=/ $U $C
echo "== a file there"; rm -rf /tmp/*; $V touch /tmp/transfer-12345;  HOME=/ $U $C
echo "== HOME a file"; rm -rf /tmp/*; HOME=/etc/passwd $U $C
echo "== HOME missing"; HOME=/nonexistent $U $C
echo "== HOME empty"; HOME= $U $C
echo "== TRANSFER_HOME unwritable: check"; TRANSFER_HOME=/etc/x HOME=/ $U python -m transfer check /opt/t/data --files-only; echo rc $?
echo "== TRANSFER_HOME a file"; TRANSFER_HOME=/etc/passwd HOME=/ $U python -m transfer fit /opt/t/data --backbone lenet; echo rc $?
echo "== TRANSFER_HOME ~ no home"; TRANSFER_HOME="~/x" env -u HOME $U $C; echo rc $?
echo "== TRANSFER_HOME good"; mkdir -m 777 /tmp/good; TRANSFER_HOME=/tmp/good env -u HOME $U $C; echo rc $?
echo "== TMPDIR unwritable"; chmod 755 /tmp; HOME=/ $U $C; echo rc $?; chmod 1777 /tmp
echo "== predict"; rm -rf /tmp/*; env -u HOME $U python -m transfer predict /opt/t/run $I; echo rc $?
echo "== predict with TRANSFER_HOME unwritable"; TRANSFER_HOME=/etc/x env -u HOME $U python -m transfer predict /opt/t/run $I; echo rc $?
echo "== serve"; (env -u HOME $U timeout -s INT 25 python -m transfer serve /opt/t/run --port 8977 & sleep 17; python - <<'P'
import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8977/healthz").read()[:80])
P
wait); 
echo "== explain"; env -u HOME $U python -m transfer explain /opt/t/run $I | tail -2; echo rc $?
echo "== export"; mkdir -m 777 /tmp/e; env -u HOME $U cp -r /opt/t/run /tmp/e/run; cd /tmp/e; env -u HOME $U python -m transfer export /tmp/e/run --to litert 2>&1 | tail -3; env -u HOME $U python -m transfer export /tmp/e/run --to onnx 2>&1 | tail -3
echo "== python"; env -u HOME $U python -c "
import transfer
print(transfer.check('/opt/t/data', files_only=True).report)"
echo "== nothing writable at all"; mount -o remount,ro /tmp; HOME=/ $U python -m transfer check /opt/t/data --files-only; echo rc $?;  HOME=/ $U python -m transfer predict /opt/t/run $I; echo rc $?
