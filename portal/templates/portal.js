(function(){
var said=document.getElementById('said'),w=window;
function parts(){return document.querySelector('main')}
function has(name){return parts().getAttribute('data-'+name)}
function reloadIn(s){setTimeout(function(){location.reload()},s*1000)}
var live=has('live'),freed=has('freed'),asked=0;
if(!w.EventSource||!w.fetch||!w.DOMParser){if(has('waits'))reloadIn(5);return}
function swap(answer,pressed){var mine=++asked;return answer.then(function(r){if(!live&&!r.ok)throw r.status;return r.text()}).then(function(t){
if(mine!==asked&&!pressed)return '';
var page=new DOMParser().parseFromString(t,'text/html'),now=page.querySelector('main');
if(live&&(!now||!now.getAttribute('data-live'))){location.replace(freed);return}
var at=document.activeElement&&document.activeElement.id,old=parts(),status=page.querySelector('.status');
old.parentNode.replaceChild(document.importNode(now,true),old);
document.title=page.title;
later();
var again=at&&document.getElementById(at);if(again)again.focus({preventScroll:true});
return status?status.textContent:''})}
function ask(url,more){more=more||{};more.headers=more.headers||{};more.headers.Accept='text/html';more.credentials='omit';return swap(fetch(url,more),more.method)}
function show(text){text=(text||'').replace(/\s+/g,' ');if(text&&text!==said.textContent)said.textContent=text}
function look(){return ask(has('page')).then(show)}
function later(){var s=has('again');if(s)setTimeout(function(){if(has('again')===s)sure()},s*1000)}
function sure(){look().catch(function(){setTimeout(sure,3000)})}
if(!live){(function turn(){if(has('waits'))setTimeout(function(){look().then(turn,turn)},3000)})();return}
later();
var news=new EventSource(live);
news.addEventListener('changed',sure);
news.addEventListener('free',function(){news.close();location.replace(freed)});
news.onerror=function(){if(news.readyState===2)reloadIn(10)};
document.addEventListener('submit',function(e){var f=e.target,b=e.submitter;
if(!b||f.className!=='steps-form')return;
e.preventDefault();
var d=new URLSearchParams(new FormData(f));d.set(b.name,b.value);
ask(f.getAttribute('action'),{method:'POST',body:d}).catch(function(){location.reload()})});
})();
